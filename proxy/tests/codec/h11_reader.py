"""Reads HTTP/1.1 messages with h11: a line in is `request HEX` or `response HEX`, a line out is what h11 made of it, as JSON."""

import json
import sys

import h11


def read(kind, octets):
    if kind == "request":
        reader = h11.Connection(h11.SERVER)
    else:
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method="GET", target="/", headers=[("Host", "a.b")]))
        reader.send(h11.EndOfMessage())
    told = {"body": "", "ended": False}
    reader.receive_data(octets)
    try:
        while True:
            event = reader.next_event()
            if isinstance(event, (h11.Request, h11.Response, h11.InformationalResponse)):
                told["start"] = (
                    [event.method.decode(), event.target.decode()]
                    if kind == "request"
                    else [str(event.status_code), event.reason.decode("latin-1")]
                )
                told["fields"] = [[n.hex(), v.hex()] for n, v in event.headers.raw_items()]
                if isinstance(event, h11.InformationalResponse):
                    return told
            elif isinstance(event, h11.Data):
                told["body"] += bytes(event.data).hex()
            elif isinstance(event, h11.EndOfMessage):
                told["ended"] = True
                return told
            else:
                return told
    except h11.RemoteProtocolError as error:
        return {"refused": str(error)}


for line in sys.stdin:
    kind, octets = line.split()
    print(json.dumps(read(kind, bytes.fromhex(octets))))
