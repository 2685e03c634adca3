"""Mail servers that deliver by LMTP at the directors' own proxies and try again, and the count of what has arrived."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field

from load_clients import log_in_imap, open_imap
from load_wire import Broken, Fault, Wire

AGAIN_AFTER_S = 0.5
BETWEEN_MAILS_S = (0.05, 0.6)
MAILS_OF_A_CONNECTION = 8
MESSAGE_ID = re.compile(rb"^Message-ID: (<load-\S+>)\r$", re.IGNORECASE | re.MULTILINE)


@dataclass
class Copy:
    """One recipient's copy of a mail."""

    is_taken: bool = False
    # A try that ended with 4xx before the message: the backend can't have it.
    early: int = 0
    # One that ended with 4xx after the message, or with the connection: the backend may have it.
    late: int = 0
    broken: int = 0
    said: list = field(default_factory=list)


class Ledger:
    """What became of every copy, by (Message-ID, user)."""

    def __init__(self):
        self.copies = {}

    def compare(self, found, cut):
        """What was lost, doubled, and doubled without an excuse; `found` counts by (Message-ID, user)."""
        lost = [key for key, copy in self.copies.items() if copy.is_taken and not found[key]]
        doubled = [key for key in self.copies if found[key] > 1]
        unexcused = [key for key in doubled if not (self.copies[key].late or self.copies[key].broken)]
        strangers = [key for key in found if key not in self.copies]
        after_broken = [key for key in doubled if self.copies[key].broken]
        copies = self.copies.values()
        words = Counter(word for copy in copies for word in copy.said)
        return {
            "deliveries": sum(copy.is_taken for copy in copies),
            "retries": sum(copy.early + copy.late + copy.broken for copy in copies),
            "retries after 4xx for the recipient": sum(copy.early for copy in copies),
            "retries after 4xx for the message": sum(copy.late for copy in copies),
            "retries after a broken connection": sum(copy.broken for copy in copies),
            "doubled": sum(found[key] - 1 for key in doubled),
            "doubled after a broken connection": sum(found[key] - 1 for key in after_broken),
            "doubled, with why": [f"{key}: {self.copies[key].said}" for key in doubled],
            "lost": [f"{key}" for key in lost],
            "doubled without reason": [f"{key}: {self.copies[key].said}" for key in unexcused],
            "not taken": [f"{key}: {copy.said}" for key, copy in self.copies.items() if not copy.is_taken],
            "not as sent": [f"{key}" for key in strangers] + cut,
            "what the senders heard": words.most_common(12),
        }


class Lmtp:
    """A connection of a mail server."""

    def __init__(self, wire):
        self.wire, self.mails = wire, 0

    @classmethod
    async def open(cls, place):
        self = cls(await Wire.open(place.host, 1024))
        try:
            await self.expect(b"220")
            for begin in (True, False):
                self.wire.send(b"LHLO mx.example\r\n")
                await self.expect(b"250")
                if begin:
                    self.wire.send(b"STARTTLS\r\n")
                    await self.expect(b"220")
                    await self.wire.start_tls(place.context, place.name)
        except BaseException:
            self.wire.close()
            raise
        return self

    async def reply(self):
        while True:
            line = await self.wire.line()
            if line.startswith(b"421"):
                raise Broken(repr(line))
            if line[3:4] != b"-":
                return line

    async def expect(self, code):
        reply = await self.reply()
        if not reply.startswith(code):
            raise Fault(f"instead of {code!r} a mail server was told {reply!r}")
        return reply

    async def send(self, text, copies, is_chunked):
        """One transaction for these copies; each notes what it was told."""
        self.wire.send(b"MAIL FROM:<sender@load.example>\r\n")
        await self.expect(b"250")
        asked = []
        for user, copy in copies.items():
            self.wire.send(f"RCPT TO:<{user}>\r\n".encode())
            reply = await self.reply()
            if reply.startswith(b"250"):
                asked.append(copy)
            else:
                copy.early += note(copy, reply, user)
        if not asked:
            self.wire.send(b"RSET\r\n")
            await self.expect(b"250")
            return
        if is_chunked:
            half = len(text) // 2
            self.wire.send(b"BDAT %d\r\n" % half + text[:half])
            await self.expect(b"250")
            end = b"BDAT %d LAST\r\n" % (len(text) - half) + text[half:]
        else:
            self.wire.send(b"DATA\r\n")
            await self.expect(b"354")
            end = re.sub(rb"(?m)^\.", b"..", text) + b".\r\n"
        try:
            self.wire.send(end)
            while asked:
                reply = await self.reply()
                copy = asked.pop(0)
                if reply.startswith(b"250"):
                    copy.is_taken = True
                else:
                    copy.late += note(copy, reply, "the message")
        except Broken as error:
            for copy in asked:
                copy.broken += 1
                copy.said.append(f"broken at its end: {str(error)[:60]}")
            raise


def note(copy, reply, about):
    copy.said.append(re.sub(r"<\S+>", "<>", reply.decode(errors="replace")))
    if not reply.startswith(b"4"):
        raise Fault(f"of {about} a mail server was told {reply!r}")
    return 1


class Sender:
    """A mail server's one queue runner."""

    def __init__(self, number, places, users, ledger, random, tally):
        self.number, self.places, self.users, self.ledger = number, places, users, ledger
        self.random, self.tally = random, tally
        self.at, self.connection = number, None

    def text(self, message_id):
        lines = self.random.randrange(2, 120)
        body = "".join(("." if number % 7 == 0 else "") + "y" * 60 + "\r\n" for number in range(lines))
        head = f"From: sender@load.example\r\nSubject: load\r\nMessage-ID: {message_id}\r\n\r\n"
        return (head + body + f"end of {message_id}\r\n").encode()

    async def deliver(self, number, ends_by):
        message_id = f"<load-{self.number}-{number}@load.example>"
        users = self.random.sample(self.users, self.random.choice((1, 1, 2, 3)))
        copies = {user: Copy() for user in users}
        self.ledger.copies.update({(message_id, user): copy for user, copy in copies.items()})
        text = self.text(message_id)
        while waiting := {user: copy for user, copy in copies.items() if not copy.is_taken}:
            if ends_by():
                return
            try:
                if self.connection is None:
                    self.connection = await Lmtp.open(self.places[self.at % len(self.places)])
                await self.connection.send(text, waiting, self.random.random() < 0.5)
                self.connection.mails += 1
            except Broken as error:
                self.tally[f"mail servers: {re.sub('[0-9.]+:[0-9]+', '', str(error))[:70]}"] += 1
                self.leave()
            if any(not copy.is_taken for copy in waiting.values()):
                await asyncio.sleep(AGAIN_AFTER_S)
        if self.connection.mails >= MAILS_OF_A_CONNECTION:
            self.connection.wire.send(b"QUIT\r\n")
            self.leave()

    def leave(self):
        if self.connection:
            self.connection.wire.close()
        self.connection = None
        self.at += 1

    async def run(self, is_over, ends_by):
        number = 0
        while not is_over():
            number += 1
            await self.deliver(number, ends_by)
            await asyncio.sleep(self.random.uniform(*BETWEEN_MAILS_S))
        self.leave()


async def count(users, backends):
    """Who has which mail how often, asked at the backends themselves; and mails that are not whole."""
    found, cut = Counter(), []

    async def look(number, user):
        session = await open_imap(backends[number % len(backends)], 143)
        await log_in_imap(session, user)
        _, said, _ = await session.command("SELECT INBOX")
        if any(b" EXISTS" in line and not line.startswith(b"* 0 ") for line in said):
            status, said, words = await session.command("FETCH 1:* (BODY.PEEK[])")
            if status != b"OK":
                raise Fault(f"the mails of {user} cannot be counted: {words!r}")
            for mail in said:
                if message_id := MESSAGE_ID.search(mail):
                    found[message_id[1].decode(), user] += 1
                    if not mail.endswith(b"end of " + message_id[1] + b"\r\n"):
                        cut.append(f"{message_id[1].decode()} of {user}")
        await session.command("LOGOUT")
        session.wire.close()

    numbered = list(enumerate(users))
    for start in range(0, len(numbered), 6):
        await asyncio.gather(*(look(*one) for one in numbered[start:start + 6]))
    return found, cut
