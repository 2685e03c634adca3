"""One mail by LMTP over TLS at a director's own proxy: SERVER CA HOW FILE RECIPIENT...

HOW is `data`, `bdat`, or `halves`: DATA that says "half" in the middle and goes on after a line on standard input. FILE is
the message, with CRLF. Prints a line for each recipient: what was said to him at last.
Certificates are checked against CA; they are for the member, not for the address.
"""
import smtplib
import ssl
import sys

server, ca, how, file, *recipients = sys.argv[1:]
CHUNK_BYTES = 100_000

context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
message = open(file, "rb").read()
session = smtplib.LMTP(server, 1024)
session.sock.settimeout(60)
session.starttls(context=context)
code, said = session.docmd("LHLO", "mx.example")
assert code == 250 and b"CHUNKING" in said and b"STARTTLS" not in said, said
session.docmd("RSET")
code, said = session.docmd("MAIL", "FROM:<sender@example.com> BODY=8BITMIME")
assert code == 250, said


def tell(recipient, code, said):
    print(recipient, code, said.decode().replace("\n", " | "))


taken = []
for recipient in recipients:
    code, said = session.docmd("RCPT", f"TO:<{recipient}>")
    if code == 250:
        taken.append(recipient)
    else:
        tell(recipient, code, said)
if how == "data":
    code, said = session.docmd("DATA")
    assert code == 354, said
    session.send(smtplib._quote_periods(message) + b".\r\n")
elif how == "halves":
    code, said = session.docmd("DATA")
    assert code == 354, said
    whole = smtplib._quote_periods(message) + b".\r\n"
    session.send(whole[:len(whole) // 2])
    print("half", flush=True)
    sys.stdin.readline()
    session.send(whole[len(whole) // 2:])
else:
    for start in range(0, len(message), CHUNK_BYTES):
        chunk = message[start:start + CHUNK_BYTES]
        session.send(b"BDAT %d\r\n" % len(chunk) + chunk)
        code, said = session.getreply()
        assert code == 250, said
    session.send(b"BDAT 0 LAST\r\n")
for recipient in taken:
    tell(recipient, *session.getreply())
session.quit()
