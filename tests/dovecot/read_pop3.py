"""Prints the newest mail of a POP3 mailbox: read_pop3.py HOST USER PASSWORD"""

import poplib
import sys

host, user, password = sys.argv[1:]
session = poplib.POP3(host, timeout=15)
session.user(user)
session.pass_(password)
count, _ = session.stat()
if count:
    for line in session.retr(count)[1]:
        print(line.decode("ascii", "replace"))
session.quit()
