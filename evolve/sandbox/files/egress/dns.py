"""Questions for names, and answers to them: the little of DNS that a container needs. Pure."""

import struct

HEADER = struct.Struct(">HHHHHH")
ADDRESS, INTERNET = 1, 1
RESPONSE, OPCODE, RECURSION = 0x8080, 0x7800, 0x0100
NO_ERROR, FAILED, NO_NAME, REFUSED = 0, 2, 3, 5
TTL_SECONDS = 30
MOST_BYTES = 512


class Question:
    """What a packet asks for. kind: the type of a record; packet: its header and its question, without the rest."""

    def __init__(self, packet):
        """Read a packet. Raises ValueError for one that is no single question."""
        if not HEADER.size < len(packet) <= 4096:
            raise ValueError("no question")
        _, flags, questions, answers, _, _ = HEADER.unpack_from(packet)
        if flags & (0x8000 | OPCODE) or questions != 1 or answers:
            raise ValueError("not a single question")
        labels, place = [], HEADER.size
        while length := packet[place]:
            if length > 63 or place + length + 6 > len(packet):
                raise ValueError("a name that is cut off, or compressed")
            labels.append(packet[place + 1 : place + 1 + length])
            place += length + 1
        if place + 5 > len(packet) or place - HEADER.size > 254:
            raise ValueError("a question that is cut off, or too long")
        self.name = b".".join(labels).decode("ascii").lower()
        self.kind, self.family = struct.unpack_from(">HH", packet, place + 1)
        self.packet = packet[: place + 5]

    def answer(self, code, address=None):
        """The packet that answers it. address: four bytes; None: there is no such record."""
        identifier, flags = struct.unpack_from(">HH", self.packet)
        flags = RESPONSE | flags & RECURSION | code
        header = HEADER.pack(identifier, flags, 1, 0 if address is None else 1, 0, 0)
        packet = header + self.packet[HEADER.size :]
        if address is None:
            return packet
        return packet + struct.pack(">HHHIH", 0xC00C, ADDRESS, INTERNET, TTL_SECONDS, 4) + address
