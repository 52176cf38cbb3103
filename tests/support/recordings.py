"""Parts of recordings."""

import hashlib

from realtime.protocol.recording import Content, encode_entry


def with_digest(data: bytes) -> bytes:
    """The bytes as a complete recording, with the digest at its end."""
    return data + encode_entry(Content.END, hashlib.sha256(data).digest())
