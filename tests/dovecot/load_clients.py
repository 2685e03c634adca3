"""Sessions of a few seconds by IMAP and POP3: a login, random commands, a logout. What they meet is counted in `tally`."""

import asyncio
import re
import time

from load_wire import Broken, Fault, Wire

PASSWORD = "secret"
SESSION_S = (3, 15)
PAUSE_S = (0.1, 1.2)
IDLE_S = (0.2, 2)
LITERAL = re.compile(rb"\{(\d+)\}$")
HEADERS = "BODY.PEEK[HEADER.FIELDS (DELIVERED-TO X-APPENDED-BY)]"
OWNER = re.compile(rb"^(?:Delivered-To|X-Appended-By): (\S+)", re.IGNORECASE | re.MULTILINE)


class Refused(Exception):
    """No login now."""


def check_refusal(said):
    if b"AUTHENTICATIONFAILED" in said or b"[AUTH]" in said:
        raise Fault(f"the right password was refused: {said!r}")
    raise Refused(said.decode(errors="replace"))


class Imap:
    """One IMAP session; every answer must be for the command that was said last."""

    def __init__(self, wire):
        self.wire, self.number = wire, 0

    async def command(self, text, literal=None):
        """What was said: the status, all before it, and the words."""
        self.number += 1
        tag = b"c%d" % self.number
        self.wire.send(tag + b" " + text.encode() + b"\r\n")
        return await self.answer(tag, text == "LOGOUT", literal)

    async def answer(self, tag, is_end=False, literal=None):
        said = []
        while True:
            line = await self.wire.line()
            if line.startswith(b"+") and literal is not None:
                self.wire.send(literal + b"\r\n")
                literal = None
                continue
            if line.startswith(b"* BYE") and not is_end:
                raise Broken(f"said goodbye: {line!r}")
            if line.startswith(b"* "):
                said.append(line)
                while found := LITERAL.search(line):
                    said.append(await self.wire.octets(int(found[1])))
                    line = await self.wire.line()
                    said.append(line)
                continue
            own, _, rest = line.partition(b" ")
            if own != tag:
                raise Fault(f"the answer to {tag!r} is {line!r}")
            status, _, words = rest.partition(b" ")
            return status, said, words

    async def idle(self, seconds):
        self.number += 1
        tag = b"c%d" % self.number
        self.wire.send(tag + b" IDLE\r\n")
        line = await self.wire.line()
        while line.startswith(b"* ") and not line.startswith(b"* BYE"):
            line = await self.wire.line()
        if not line.startswith(b"+"):
            raise Broken(f"no idling: {line!r}")
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            line = await self.wire.line_within(left)
            if line is not None and line.startswith(b"* BYE"):
                raise Broken(f"said goodbye: {line!r}")
        self.wire.send(b"DONE\r\n")
        return await self.answer(tag)


async def open_imap(host, port, context=None, name=None, is_starttls=False):
    wire = await Wire.open(host, port, None if is_starttls else context, None if is_starttls else name)
    session = Imap(wire)
    try:
        greeting = await wire.line()
        if not greeting.startswith(b"* OK"):
            raise Broken(f"greeted with {greeting!r}")
        if is_starttls:
            status, _, words = await session.command("STARTTLS")
            if status != b"OK":
                raise Broken(f"no TLS: {words!r}")
            await wire.start_tls(context, name)
    except BaseException:
        wire.close()
        raise
    return session


async def log_in_imap(session, user):
    status, _, words = await session.command(f"LOGIN {user} {PASSWORD}")
    if status != b"OK":
        check_refusal(words)


class ImapUser:
    """A session's random commands."""

    # Deliveries are counted in INBOX, so nothing is ever deleted there.
    BOXES = ("INBOX", "Scratch")

    def __init__(self, session, user, random, tally):
        self.session, self.user, self.random, self.tally = session, user, random, tally
        self.box = None

    async def say(self, text, literal=None):
        self.tally["commands"] += 1
        status, said, words = await self.session.command(text, literal)
        self.note(text, status, words)
        return said

    def note(self, text, status, words):
        if status == b"BAD":
            raise Fault(f"{text}: BAD {words!r}")
        if status == b"NO" and not (text.startswith("CREATE") and b"ALREADYEXISTS" in words):
            self.tally[f"NO to {text.split()[0]}: {words.decode(errors='replace')[:60]}"] += 1

    async def choose(self):
        self.box = self.random.choice(self.BOXES)
        await self.say(f"SELECT {self.box}")

    async def append(self):
        lines = self.random.randrange(1, 200)
        text = f"Subject: appended\r\nX-Appended-By: {self.user}\r\n\r\n" + ("x" * 70 + "\r\n") * lines
        await self.say(f"APPEND Scratch {{{len(text)}}}", text.encode())

    async def fetch(self):
        what = self.random.choice((f"1:* ({HEADERS})", f"* (BODY.PEEK[] {HEADERS})", "1:* (UID FLAGS RFC822.SIZE)"))
        for part in await self.say(f"FETCH {what}"):
            for owner in OWNER.findall(part):
                if owner.decode() != self.user:
                    raise Fault(f"{self.user} was given a mail of {owner!r}")

    async def store(self):
        # In INBOX only what keeps a mail.
        flag = self.random.choice(("\\Seen", "\\Flagged", "\\Answered"))
        if self.box == "Scratch" and self.random.random() < 0.4:
            flag = "\\Deleted"
        sign = self.random.choice("+-")
        await self.say(f"STORE * {sign}FLAGS ({flag})")

    async def search(self):
        await self.say("SEARCH " + self.random.choice(("UNSEEN", "SUBJECT load", "ALL", "LARGER 5000")))

    async def idle(self):
        self.tally["commands"] += 1
        status, _, words = await self.session.idle(self.random.uniform(*IDLE_S))
        self.note("IDLE", status, words)

    async def expunge(self):
        await self.say("EXPUNGE")

    async def one(self):
        deeds = (self.append, self.fetch, self.store, self.search, self.idle, self.expunge, self.choose)
        deed = self.random.choices(deeds, weights=(2, 4, 3, 3, 2, 1, 2))[0]
        # In an empty mailbox there is no last mail.
        if deed in (self.fetch, self.store) and not any(b"EXISTS" in line and b"* 0 " not in line
                                                        for line in await self.say(f"SELECT {self.box}")):
            deed = self.append
        await deed()


async def imap_session(place, user, random, tally, until):
    is_starttls = random.random() < 0.7
    session = await open_imap(place.host, 1143 if is_starttls else 1993, place.context, place.name, is_starttls)
    try:
        await log_in_imap(session, user)
        tally["sessions"] += 1
        doer = ImapUser(session, user, random, tally)
        until = min(until, time.monotonic() + random.uniform(*SESSION_S))
        try:
            await doer.say("CREATE Scratch")
            await doer.choose()
            while time.monotonic() < until:
                await doer.one()
                await asyncio.sleep(random.uniform(*PAUSE_S))
            await doer.say("LOGOUT")
        except Broken as end:
            tally["sessions broken"] += 1
            if "goodbye" in str(end):
                tally["sessions told goodbye"] += 1
    finally:
        session.wire.close()


async def pop3_session(place, user, random, tally, until):
    wire = await Wire.open(place.host, 1110)
    is_in = False

    async def say(text, is_long=False):
        tally["commands"] += 1
        wire.send(text.encode() + b"\r\n")
        line = await wire.line()
        if line.startswith(b"-ERR") and b"closed by the server" in line:
            tally["sessions told goodbye"] += 1
            raise Broken(repr(line))
        if not line.startswith(b"+OK"):
            if is_in:
                raise Fault(f"{text}: {line!r}")
            check_refusal(line)
        lines = []
        while is_long and (part := await wire.line()) != b".":
            lines.append(part)
        return line, lines

    try:
        await wire.line()
        await say("STLS")
        await wire.start_tls(place.context, place.name)
        await say(f"USER {user}")
        await say(f"PASS {PASSWORD}")
        is_in = True
        tally["sessions"] += 1
        until = min(until, time.monotonic() + random.uniform(*SESSION_S))
        while time.monotonic() < until:
            count = int((await say("STAT"))[0].split()[1])
            await say(random.choice(("UIDL", "LIST")), is_long=True)
            if count:
                mail = b"\n".join((await say(f"RETR {count}", is_long=True))[1])
                if (owner := OWNER.search(mail)) and owner[1].decode() != user:
                    raise Fault(f"{user} was given a mail of {owner[1]!r}")
            await asyncio.sleep(random.uniform(*PAUSE_S))
        await say("QUIT")
    except Broken:
        if not is_in:
            raise
        tally["sessions broken"] += 1
    finally:
        wire.close()
