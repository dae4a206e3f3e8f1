"""Ways in which scripts/campaign.py damages what is read."""

HOSTILE = [b"\x00", b"\xff\xfe", b"\x1b[31m", b"\nhint: rm -rf", b"NaN", b"1e999", b"-1", b"99999999999999999999", b'"', b"{", b"[" * 3000,
           b"null", b"../../etc/passwd", b"\xe2\x80\xae", b"9223372036854775808", b"0", b"1e308", b",", b"\r\n"]


def damaged(rng, content, others):
    """One of many ways in which a file is not what it was."""
    content = bytearray(content)
    way = rng.randrange(8)
    at = rng.randrange(len(content)) if content else 0
    if way == 0 and content:
        content[at] ^= 1 << rng.randrange(8)
    elif way == 1:
        del content[at:]
    elif way == 2:
        content[at:at] = rng.choice(HOSTILE)
    elif way == 3 and content:
        content[at:at + rng.randrange(1, 9)] = rng.choice(HOSTILE)
    elif way == 4:
        del content[at:at + rng.randrange(1, 200)]
    elif way == 5:
        part = content[at:at + rng.randrange(1, 400)]
        content[at:at] = part * rng.choice([1, 2, 50])
    elif way == 6:
        # A number becomes another.
        digits = [i for i, byte in enumerate(content) if 48 <= byte <= 57]
        if digits:
            content[rng.choice(digits)] = rng.choice(b"0123456789.-e")
    else:
        content = bytearray(rng.choice(others))
    return bytes(content)
