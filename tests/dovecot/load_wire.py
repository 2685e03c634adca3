"""A connection to a director's own proxy or to a backend, line by line; what ends it is one of the errors here."""

import asyncio
import ssl

# Nothing may take longer: whoever says nothing for so long hangs.
SILENCE_MAX_S = 60


class Broken(Exception):
    """The other side has closed, or could not be reached."""


class Fault(Exception):
    """What no server may do, whatever happens to the site."""


class Wire:
    """Lines and bytes; TLS from the first byte, later, or not at all."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, host, port, context=None, name=None):
        opening = asyncio.open_connection(host, port, ssl=context, server_hostname=name, limit=1 << 20)
        return cls(*await bounded(opening, f"connecting to {host}:{port}"))

    async def start_tls(self, context, name):
        await bounded(self.writer.start_tls(context, server_hostname=name), "a TLS handshake")

    def send(self, octets):
        self.writer.write(octets)

    async def line(self):
        line = await bounded(self.reader.readline(), "an answer")
        if not line.endswith(b"\r\n"):
            raise Broken(f"closed after {line!r}")
        return line[:-2]

    async def line_within(self, seconds):
        """The next line, or nothing if none comes in so many seconds."""
        try:
            line = await asyncio.wait_for(self.reader.readline(), seconds)
        except (asyncio.TimeoutError, TimeoutError):
            return None
        except (OSError, ssl.SSLError) as error:
            raise Broken(repr(error)) from error
        if not line.endswith(b"\r\n"):
            raise Broken(f"closed after {line!r}")
        return line[:-2]

    async def octets(self, count):
        return await bounded(self.reader.readexactly(count), "a literal")

    def close(self):
        # Without a word of TLS: whoever is there at the end has said goodbye in his protocol.
        self.writer.transport.abort()


async def bounded(waiting, what):
    try:
        return await asyncio.wait_for(waiting, SILENCE_MAX_S)
    except (asyncio.TimeoutError, TimeoutError) as error:
        raise Fault(f"{what} took {SILENCE_MAX_S} s") from error
    except ssl.SSLCertVerificationError as error:
        raise Fault(f"{what}: {error}") from error
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError) as error:
        raise Broken(f"{what}: {error!r}") from error
