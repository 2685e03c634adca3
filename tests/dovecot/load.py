"""Many clients, and mail servers beside them, at the directors' own proxies: what they met is printed as one JSON object.

    load.py CLIENTS SECONDS USERS CA MEMBER,MEMBER,... BACKEND,BACKEND,...

USERS users share the clients, so that several clients of a user come through different directors. When the time is over
and every mail is delivered it prints "done"; after a line on standard input it counts the mails at the backends, prints
the object and ends. The random numbers are the same in every run; what the site makes of them is not.
"""

import asyncio
import json
import random
import resource
import ssl
import sys
import time
from collections import Counter
from dataclasses import dataclass

from load_clients import Refused, imap_session, pop3_session
from load_mail import Ledger, Sender, count
from load_wire import Broken, Fault

AGAIN_AFTER_S = 0.3
# What mail servers may need for the last mails.
DRAIN_MAX_S = 60
FAULTS_MAX = 20
# Descriptors beside those of the clients: mail servers, connections that are being closed.
FILES_BESIDE = 256


@dataclass
class Place:
    """A director's own proxies; its certificate is for its name."""

    host: str
    name: str
    context: ssl.SSLContext


async def client(number, places, users, tally, faults, begins, ends):
    dice = random.Random(number)
    at = number
    await asyncio.sleep(begins - time.monotonic())
    while time.monotonic() < ends:
        user, place = dice.choice(users), places[at % len(places)]
        session = pop3_session if dice.random() < 0.2 else imap_session
        at += 1
        try:
            await session(place, user, dice, tally, ends)
            continue
        except Refused as why:
            tally["logins refused"] += 1
            tally[f"refused: {str(why)[:70]}"] += 1
        except Broken:
            tally["connections without a login"] += 1
        except Fault as fault:
            faults.append(f"{session.__name__} of {user} at {place.host}: {fault}")
        await asyncio.sleep(AGAIN_AFTER_S)


async def deliver(sender, faults, is_over, ends_by):
    try:
        await sender.run(is_over, ends_by)
    except Fault as fault:
        faults.append(f"mail server {sender.number}: {fault}")


async def main():
    clients, seconds, user_count = (int(word) for word in sys.argv[1:4])
    members, backends = sys.argv[5].split(","), sys.argv[6].split(",")
    context = ssl.create_default_context(cafile=sys.argv[4])
    places = [Place(host, f"member-{number}.mail", context) for number, host in enumerate(members, 1)]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, clients + FILES_BESIDE), most))
    users = [f"load{number:03}" for number in range(user_count)]
    tally, faults, ledger = Counter(), [], Ledger()
    begin = time.monotonic()
    ends = begin + seconds

    tasks = [client(number, places, users, tally, faults, begin + seconds / 8 * number / clients, ends)
             for number in range(clients)]
    for number in range(max(3, clients // 25)):
        sender = Sender(number, places, users, ledger, random.Random(f"mail {number}"), tally)
        tasks.append(deliver(sender, faults, lambda: time.monotonic() >= ends,
                             lambda: time.monotonic() >= ends + DRAIN_MAX_S))
    await asyncio.gather(*tasks)
    print("done", flush=True)

    await asyncio.to_thread(sys.stdin.readline)
    found, cut = await count(users, backends)
    print(json.dumps({"tally": tally, "faults": faults[:FAULTS_MAX], "mail": ledger.compare(found, cut)}))


asyncio.run(main())
