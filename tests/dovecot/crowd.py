"""Users who keep IMAP sessions open, and say on standard output what becomes of them.

    crowd.py SESSIONS_PER_USER PROXY[:PORT],PROXY[:PORT],... USER...

Session number s of the n-th user is at home at proxy (n + s) mod the number of proxies. A session that is closed, or
refused, tries the next proxy, as a client does that knows several. Every line is EVENT USER SESSION PROXY [TEXT]:

    up       logged in and INBOX selected
    refused  no login; tried again after a short while
    down     closed by the other side
    left     logged out on its own account

Lines on standard input: "home" sends every session back to its own proxy, "rest" has all log out, "return" lets them come
again, the end of input ends everything.
"""

import imaplib
import select
import sys
import threading
import time

PATIENCE_S = 8
AGAIN_AFTER_S = 0.3
LOOK_EVERY_S = 0.5
NOOP_EVERY_S = 3
PASSWORD = "secret"

homecoming = 0
may_come = threading.Event()
may_come.set()
say_lock = threading.Lock()


def say(*words):
    with say_lock:
        sys.stdout.write(" ".join(map(str, words)).replace("\n", " ") + "\n")
        sys.stdout.flush()


def log_in(proxy, user):
    host, _, port = proxy.partition(":")
    session = imaplib.IMAP4(host, int(port or 143), timeout=PATIENCE_S)
    try:
        session.login(user, PASSWORD)
        session.select("INBOX")
    except BaseException:
        session.shutdown()
        raise
    return session


def stay(session, wants_home, called):
    """Until the other side closes (raises) or this session is called home, or all are to rest."""
    noop_at = time.monotonic() + NOOP_EVERY_S
    while True:
        readable, _, _ = select.select([session.socket()], [], [], LOOK_EVERY_S)
        if wants_home and homecoming != called or not may_come.is_set():
            session.logout()
            return
        if readable or time.monotonic() >= noop_at:
            session.noop()
            noop_at = time.monotonic() + NOOP_EVERY_S


def run(user, number, proxies, home):
    at = home
    while True:
        may_come.wait()
        called = homecoming
        proxy = proxies[at]
        try:
            session = log_in(proxy, user)
        except Exception as refusal:
            say("refused", user, number, at, repr(refusal))
            at = (at + 1) % len(proxies)
            time.sleep(AGAIN_AFTER_S)
            continue
        say("up", user, number, at)
        try:
            stay(session, at != home, called)
            say("left", user, number, at)
            at = home
        except Exception as end:
            say("down", user, number, at, repr(end))
            try:
                session.shutdown()
            except OSError:
                pass
            at = (at + 1) % len(proxies)


def main():
    global homecoming
    sessions, proxies, users = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
    threading.stack_size(256 * 1024)
    for n, user in enumerate(users):
        for number in range(sessions):
            home = (n + number) % len(proxies)
            threading.Thread(target=run, args=(user, number, proxies, home), daemon=True).start()
    for line in sys.stdin:
        if line.strip() == "home":
            homecoming += 1
        elif line.strip() == "rest":
            may_come.clear()
        elif line.strip() == "return":
            may_come.set()


main()
