"""One login at a director's own proxy, over TLS, with Python's own clients: PROTOCOL SERVER USER PASSWORD CA.

Certificates are checked against CA; they are for the member, not for the address.
"""
import base64
import imaplib
import poplib
import smtplib
import socket
import ssl
import sys

protocol, server, user, password, ca = sys.argv[1:]
TIMEOUT_S = 20


def context():
    made = ssl.create_default_context(cafile=ca)
    made.check_hostname = False
    return made


def imap(session):
    session.login(user, password)
    status, _ = session.select("INBOX")
    assert status == "OK", status
    # A literal, and commands in a row.
    status, _ = session.append("INBOX", None, None, b"Subject: by IMAP\r\n\r\n" + (b"x" * 70 + b"\r\n") * 1_500)
    assert status == "OK", status
    status, found = session.fetch("*", "(BODY[])")
    assert status == "OK" and b"by IMAP" in found[0][1] and len(found[0][1]) > 100_000, found[0][:1]
    session.logout()


def sieve():
    raw = socket.create_connection((server, 14190), timeout=TIMEOUT_S)
    stream = raw.makefile("rwb")

    def answer():
        lines = []
        while True:
            line = stream.readline().decode()
            if not line or line.startswith(("NO", "BYE")):
                sys.exit(f"the server said: {line!r}")
            lines.append(line.rstrip())
            if line.startswith("OK"):
                return lines

    def say(text):
        stream.write(text.encode() + b"\r\n")
        stream.flush()
        return answer()

    assert any("STARTTLS" in line for line in answer())
    say("STARTTLS")
    stream = context().wrap_socket(raw).makefile("rwb")
    assert not any("STARTTLS" in line for line in answer())
    login = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    say(f'AUTHENTICATE "PLAIN" "{login}"')
    say('PUTSCRIPT "own" {5+}\r\nkeep;')
    assert any('"own"' in line for line in say("LISTSCRIPTS"))
    say("LOGOUT")


if protocol == "imap":
    session = imaplib.IMAP4(server, 1143, timeout=TIMEOUT_S)
    session.starttls(context())
    imap(session)
elif protocol == "imaps":
    imap(imaplib.IMAP4_SSL(server, 1993, ssl_context=context(), timeout=TIMEOUT_S))
elif protocol == "pop3":
    session = poplib.POP3(server, 1110, timeout=TIMEOUT_S)
    session.stls(context())
    session.user(user)
    session.pass_(password)
    count, _ = session.stat()
    assert count > 0, count
    lines = session.retr(count)[1]
    assert any(b"by IMAP" in line for line in lines), lines[:9]
    session.quit()
elif protocol == "sieve":
    sieve()
elif protocol == "submission":
    session = smtplib.SMTP(server, 1587, timeout=TIMEOUT_S)
    session.starttls(context=context())
    session.login(user, password)
    session.noop()
    session.quit()
elif protocol == "refused":
    session = imaplib.IMAP4(server, 1143, timeout=TIMEOUT_S)
    try:
        session.login(user, password)
        print("let in")
    except imaplib.IMAP4.error as error:
        print(error)
else:
    sys.exit(f"no such protocol: {protocol}")
