"""Puts a script on a server by ManageSieve (RFC 5804), and prints what scripts are there: SERVER USER PASSWORD NAME."""
import base64
import socket
import sys

server, user, password, name = sys.argv[1:]
stream = socket.create_connection((server, 4190), timeout=20).makefile("rwb")


def answer():
    lines = []
    while True:
        line = stream.readline().decode()
        if not line or line.startswith(("NO", "BYE")):
            sys.exit(f"the server said: {line!r}")
        if line.startswith("OK"):
            return lines
        lines.append(line.rstrip())


def say(text):
    stream.write(text.encode() + b"\r\n")
    stream.flush()
    return answer()


answer()
login = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
say(f'AUTHENTICATE "PLAIN" "{login}"')
say(f'PUTSCRIPT "{name}" {{5+}}\r\nkeep;')
print("\n".join(say("LISTSCRIPTS")))
