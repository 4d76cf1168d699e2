#!/usr/bin/env python3
"""Verifies an evidence bundle by docs/evidence.md and docs/format.md alone: Python's standard library, nothing of the service.

  verify_bundle.py BUNDLE.zip VERIFIER-KEY [ANCHORS]

ANCHORS is a folder with anchors as the object store has them, which those of the bundle are compared with.
Prints a line for each thing that is wrong or could not be seen. Exit status: 0 valid, 1 not, 2 undecided. It does not compare index.html with the rest, and
does not look at the certificates of timestamps.
"""
import base64, hashlib, pathlib, re, struct, sys, zlib
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'vectors'))
from verify import CONTENT, ENVELOPE, Refused, content_hash, envelope_fault, jcs, read_content, read_json, read_timestamp  # noqa: E402

FOUND, UNSEEN = [], []


def wrong(what):
    FOUND.append(what)
    print(what)


def canonical(data):
    value = read_json(data)
    if jcs(value).encode() != data:
        raise ValueError('a JSON is not in canonical form')
    return value


def sha256(data):
    return hashlib.sha256(data).digest()


# Ed25519: RFC 8032, section 5.1

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def recover(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError('no point')
    return x if x & 1 == sign else P - x


def point(data):
    y = int.from_bytes(data, 'little')
    x, y = recover(y & (2**255 - 1), y >> 255), y & (2**255 - 1)
    return x, y, 1, x * y % P


def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, q):
    total = (0, 1, 1, 0)
    while n:
        total, q, n = add(total, q) if n & 1 else total, add(q, q), n >> 1
    return total


BASE = point(bytes.fromhex('58' + '66' * 31))


def verifies(key, message, signature):
    try:
        a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], 'little')
    except ValueError:
        return False
    if len(signature) != 64 or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), 'little') % L
    one, other = times(s, BASE), add(r, times(h, a))
    return (one[0] * other[2] - other[0] * one[2]) % P == 0 and (one[1] * other[2] - other[1] * one[2]) % P == 0


# Notes, keys, and how they succeed each other

def parse_key(text):
    name, key_id, blob = text.split('+', 2)
    blob = base64.b64decode(blob, validate=True)
    if blob[0] != 1 or len(blob) != 33 or sha256(name.encode() + b'\n' + blob)[:4].hex() != key_id:
        raise ValueError('it is no verifier key of Ed25519')
    return name, bytes.fromhex(key_id), blob[1:]


def parse_note(note):
    text, signatures = note[:note.rindex('\n\n') + 1], note[note.rindex('\n\n') + 2:].split('\n')
    if signatures.pop() != '' or not signatures:
        raise ValueError('a note ends with lines of signatures')
    parsed = [re.fullmatch('\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)', line).groups() for line in signatures]
    return text, [(name, base64.b64decode(blob, validate=True)) for name, blob in parsed]


def parse_checkpoint(note):
    """Origin, size and root hash of a note."""
    origin, size, root, *more = parse_note(note)[0].split('\n')
    if more[-1:] != [''] or '' in more[:-1] or not re.fullmatch('0|[1-9][0-9]{0,18}', size):
        raise ValueError('a checkpoint is an origin, a size and a root hash, a line each')
    root = base64.b64decode(root, validate=True)
    if not origin or len(root) != 32:
        raise ValueError('a checkpoint is an origin, a size and a root hash of 32 bytes')
    return origin, int(size), root


def is_signed(note, key):
    text, signatures = parse_note(note)
    own = [blob[4:] for name, blob in signatures if name == key[0] and blob[:4] == key[1]]
    return bool(own) and all(verifies(key[2], text.encode(), each) for each in own)


def signing_key(trusted, successions, size):
    """Of the keys that are reached from the trusted one, the one or two that may sign a checkpoint of this size."""
    terms, seen = [[trusted, 0, None]], {trusted}
    while True:
        current, following = terms[-1][0], {}
        for note in successions:
            lines = parse_note(note)[0].split('\n')
            if len(lines) != 5 or lines[0] != 'truetrail/key-succession/v1' or lines[1] != current[0]:
                continue
            new = parse_key(lines[2])
            if new != current and new[0] == lines[1] and is_signed(note, current) and is_signed(note, new):
                following[lines[2], int(lines[3])] = new
        if len(following) > 1:
            raise ValueError('a key has two successors')
        for (_, start), new in following.items():
            if new in seen:
                raise ValueError('keys succeed each other in a circle')
            terms[-1][2] = start
            terms.append([new, start, None])
            seen.add(new)
        if not following:
            return [key for key, start, end in terms if size >= start and (end is None or size <= end)]


def reached(trusted, successions):
    """The public keys that successions of the ledger lead to, whatever sizes they sign."""
    keys, grown = {trusted[2]}, True
    while grown:
        grown = [follow(keys, note) for note in successions]
        grown = any(grown)
    return keys


def named(public_key, name):
    return name, sha256(name.encode() + b'\n\1' + public_key)[:4], public_key


def follow(keys, note):
    """Adds the key that a succession of any ledger leads to, and tells whether it is new: one key signs all of them."""
    lines = parse_note(note)[0].split('\n')
    if len(lines) != 5 or lines[0] != 'truetrail/key-succession/v1':
        return False
    new = parse_key(lines[2])
    if new[2] in keys or new[0] != lines[1] or not is_signed(note, new):
        return False
    if not any(is_signed(note, named(each, lines[1])) for each in keys):
        return False
    keys.add(new[2])
    return True


# The zip, of which there is one way to write it

def headers(entry):
    name, method, crc, packed, size, offset = entry
    version, large = (45, True) if offset >= 0xffffffff else (20, False)
    common = struct.pack('<HHHHHIIIH', version, 0, method, 0, 33, crc, packed, size, len(name))
    extra = struct.pack('<HHQ', 1, 8, offset) if large else b''
    local = b'PK\3\4' + common + b'\0\0' + name
    central = b'PK\1\2' + struct.pack('<H', version) + common + struct.pack('<HHHHII', len(extra), 0, 0, 0, 0, min(offset, 0xffffffff)) + name + extra
    return local, central


def ending(entries, start):
    central = b''.join(headers(entry)[1] for entry in entries)
    count, zip64 = len(entries), b''
    if count >= 0xffff or start >= 0xffffffff:
        zip64 = b'PK\6\6' + struct.pack('<QHHIIQQQQ', 44, 45, 45, 0, 0, count, count, len(central), start)
        zip64 += b'PK\6\7' + struct.pack('<IQI', 0, start + len(central), 1)
    end = struct.pack('<HHHHIIH', 0, 0, min(count, 0xffff), min(count, 0xffff), len(central), min(start, 0xffffffff), 0)
    return central + zip64 + b'PK\5\6' + end


def read_zip(file):
    """Names and (entry, where its bytes begin), or ValueError."""
    size = file.seek(0, 2)

    def read(at, length):
        file.seek(at)
        data = file.read(length)
        if at < 0 or len(data) != length:
            raise ValueError('the zip is cut off')
        return data

    end = read(size - 22, 22)
    count, start = struct.unpack_from('<H', end, 10)[0], struct.unpack_from('<I', end, 16)[0]
    if count == 0xffff or start == 0xffffffff:
        count, _, start = struct.unpack_from('<QQQ', read(size - 98, 56), 32)
    tail, at, entries = read(start, size - start), 0, []
    for _ in range(count):
        method, = struct.unpack_from('<H', tail, at + 10)
        crc, packed, length, name_length, extra_length = struct.unpack_from('<IIIHH', tail, at + 16)
        offset, = struct.unpack_from('<I', tail, at + 42)
        name = tail[at + 46:at + 46 + name_length]
        at += 46 + name_length + extra_length
        if extra_length == 12:
            offset, = struct.unpack_from('<Q', tail, at - 8)
        entries.append((name, method, crc, packed, length, offset))
    if ending(entries, start) != tail:
        raise ValueError('the directory of the zip is not the one that belongs to its entries')
    files, expected = {}, 0
    for entry in entries:
        local = headers(entry)[0]
        if entry[5] != expected or read(expected, len(local)) != local or entry[0].decode() in files:
            raise ValueError(f'the header of {entry[0]} differs from its place in the directory')
        files[entry[0].decode()] = entry, expected + len(local)
        expected += len(local) + entry[3]
    if expected != start:
        raise ValueError('there is something between the entries and the directory')
    return files, read


# What no file of these is longer than, unpacked
LIMITS = ('events/', 6 * 2**20), ('proof/', 65536 * 65), ('keys.json', 2**20)


def unpack(entry, packed):
    if entry[1] == 0:
        return packed
    inflater = zlib.decompressobj(-15)
    content = inflater.decompress(packed, entry[4] + 1)
    if not inflater.eof or inflater.unused_data or len(content) != entry[4] or zlib.crc32(content) != entry[2]:
        raise ValueError(f'{entry[0]} has other bytes than its header says')
    return content


# The tree: RFC 6962, section 2.1

class Root:
    """The root that leaves, and the hashes of the largest subtrees without any of them, lead to."""
    def __init__(self, size, hashes):
        self.size, self.hashes, self.at, self.edge = size, hashes, 0, []

    def put(self, start, end, digest):
        while self.edge:
            left, _, other = self.edge[-1]
            width = start - left
            if left % (2 * width) or not (end - start == width or (end == self.size and end - start < width)):
                break
            self.edge.pop()
            start, digest = left, sha256(b'\1' + other + digest)
        self.edge.append((start, end, digest))

    def skip(self, start, end, low, high):
        if high <= start or low >= end:
            return
        if start <= low and high <= end:
            self.put(low, high, next(self.hashes))
            return
        middle = low + (1 << ((high - low - 1).bit_length() - 1))
        self.skip(start, end, low, middle)
        self.skip(start, end, middle, high)

    def leaf(self, index, data):
        self.skip(self.at, index, 0, self.size)
        self.put(index, index + 1, sha256(b'\0' + data))
        self.at = index + 1

    def root(self):
        self.skip(self.at, self.size, 0, self.size)
        return self.edge[0][2] if self.edge else sha256(b'')


# Events

KINDS = ['event_ids'], ['order_id'], ['search'], ['from_sequence', 'to_sequence'], ['recorded_from', 'recorded_to'], ['from', 'to']


def time_of(text):
    return read_timestamp(text)[:2]


def is_canonical(content):
    try:
        return read_content(content) == content
    except Refused:
        return False


def matches(line, asked, is_full):
    filters = {'entity_type': 'order', 'entity_id': asked['order_id']} if 'order_id' in asked else asked.get('search', asked)
    for name, value in filters.items():
        if name in ('sort', 'order', 'event_ids'):
            continue
        if name in ('from_sequence', 'to_sequence'):
            good = (int(line['sequence']) >= int(value)) if name[0] == 'f' else (int(line['sequence']) <= int(value))
        elif name.startswith('recorded_'):
            good = (time_of(line['recorded_at']) < time_of(value)) == (name == 'recorded_to')
        elif not is_full:
            continue
        elif name in ('from', 'to'):
            good = (time_of(line['timestamp']) < time_of(value)) == (name == 'to')
        elif name.startswith('metadata.'):
            held = line['metadata'].get(name[9:], {})
            good = held == value or (not isinstance(held, (dict, list)) and jcs(held) == value)
        else:
            good = line.get(name) == value
        if not good:
            return False
    return True


def check_lines(lines, manifest, root):
    asked, span, contents = manifest['asked'], manifest['range'], manifest['contents']
    first, last = (int(span['from_sequence']), int(span['to_sequence'])) if span else (None, None)
    as_of, window = int(manifest['as_of']), asked.get('search', asked)
    if not any(set(asked) <= set(kind) for kind in KINDS) or not asked or not isinstance(window, dict):
        wrong('it cannot be read what was asked for')
    by_sequences, recorded_from, recorded_to = bool(set(asked) & set(KINDS[3])), window.get('recorded_from'), window.get('recorded_to')
    ranged = by_sequences or bool(set(asked) & set(KINDS[4]))
    if ranged != (manifest['completeness'] == 'complete-range'):
        wrong('ranges of sequences and of recorded time are complete, and nothing else is')
    deleted = [(int(each['from_sequence']), int(each['to_sequence'])) for each in manifest['deleted']]
    ends = [0, *(number for each in deleted for number in each), as_of + 1]
    if (deleted and span) or any(len(each) != 7 for each in manifest['deleted']):
        wrong('what was deleted is of a range, or not told as it should be')
    if not all(a < b if at % 2 == 0 else a <= b for at, (a, b) in enumerate(zip(ends, ends[1:]))):
        wrong('what was deleted is no ranges up to as_of, one after the other')
    if span and not (1 <= first <= last + 1 <= as_of + 1):
        wrong('the range is none up to as_of')
    high = int(window.get('to_sequence', as_of)) if by_sequences else min(as_of, int(window.get('to_sequence', as_of)))
    low = int(window.get('from_sequence', 1)) if by_sequences else min(high + 1, int(window.get('from_sequence', 1)))
    if span and ((first < low if recorded_from else first != low) or (last > high if recorded_to else last != high)):
        wrong('the range is not the one asked for')
    ids, neighbours, expected = set(asked.get('event_ids', ())), set(), first
    before, found, beside = None, 0, 0
    for line in lines:
        sequence, is_full = int(line['sequence']), 'salt' in line
        where = f'sequence {sequence}'
        envelope = {name: line[name] for name in ENVELOPE}
        digest = sha256(jcs(envelope).encode())
        if envelope_fault(envelope):
            wrong(f'{where}: its {envelope_fault(envelope)} is none that an envelope has')
        if line['format'] != 'truetrail/1' or line['origin'] != manifest['origin'] or digest.hex() != line['event_hash']:
            wrong(f'{where}: the envelope is not that of its event_hash')
        if any(first_gone <= sequence <= last_gone for first_gone, last_gone in deleted):
            wrong(f'{where}: it is said to have been deleted')
        if sequence > as_of or (before and sequence <= int(before['sequence'])):
            wrong(f'{where}: it is out of order')
        if (sequence == 1) != (line['previous_event_hash'] is None):
            wrong(f'{where}: the first event and no other names none before it')
        if before and int(before['sequence']) == sequence - 1 and line['previous_event_hash'] != before['event_hash']:
            wrong(f'{where}: it names another event before it')
        if before and line['recorded_at'] < before['recorded_at']:
            wrong(f'{where}: it is recorded before the one before it')
        known = {*ENVELOPE, 'event_hash', *((*CONTENT, 'salt') if is_full else ())}
        if set(line) - known:
            wrong(f'{where}: it has members that no hash holds')
        content = {name: line[name] for name in CONTENT if name in line}
        if is_full and not is_canonical(content):
            wrong(f'{where}: the content is none that is ever recorded so')
        if is_full and (not re.fullmatch('[0-9a-f]{32}', line['salt']) or content_hash(line['salt'], content) != line['content_hash']):
            wrong(f'{where}: the content is not that of its content_hash')
        is_found = True
        if span and not first <= sequence <= last:
            is_found = False
            earlier = sequence == first - 1 and recorded_from and time_of(line['recorded_at']) < time_of(recorded_from)
            later = sequence == last + 1 and recorded_to and time_of(line['recorded_at']) >= time_of(recorded_to)
            if is_full or not (earlier or later):
                wrong(f'{where}: it is out of the range')
            neighbours.add(sequence)
        else:
            if span and sequence != expected:
                wrong(f'sequences {expected} to {sequence - 1} are left out')
            expected = sequence + 1
            if manifest['completeness'] == 'as-found-in-range':
                is_found = is_full
            elif is_full != contents:
                wrong(f'{where}: its content is there, or not, against the manifest')
        if is_found and (not matches(line, asked, is_full) or ('event_ids' in asked and line['event_id'] not in ids)):
            wrong(f'{where}: nobody asked for it')
        ids.discard(line['event_id'])
        found, beside, before = found + is_found, beside + (not is_found), line
        root.leaf(sequence - 1, digest)
    if span and expected <= last:
        wrong(f'sequences {expected} to {last} are left out')
    if ids:
        wrong(f'{len(ids)} events that were asked for are not there')
    if span and recorded_from and first > low and first - 1 not in neighbours:
        wrong('the event before the range is not there')
    if span and recorded_to and last < high and last + 1 not in neighbours:
        wrong('the event after the range is not there')
    of_contents = sorted(set(window) - {'event_ids', 'sort', 'order', *KINDS[3], *KINDS[4]})
    if found and not contents and of_contents:
        UNSEEN.append(f'without contents it cannot be seen that the events are those that were asked for: {", ".join(of_contents)}')
    if (str(found), str(beside)) != (manifest['events'], manifest['envelopes']):
        wrong(f'the manifest counts otherwise than {found} events and {beside} envelopes')


def verify(path, trusted, stored=None):
    with open(path, 'rb') as file:
        files, read_at = read_zip(file)
        if list(files)[-1:] != ['manifest.json'] or files['manifest.json'][0][1] != 0:
            raise ValueError('the last file is no manifest')
        manifest_bytes = read_at(files['manifest.json'][1], files['manifest.json'][0][3])
        if zlib.crc32(manifest_bytes) != files['manifest.json'][0][2]:
            raise ValueError('the manifest has another CRC')
        manifest = canonical(manifest_bytes)
        if manifest['format'] != 'truetrail-bundle/1' or len(manifest) != 13:
            raise ValueError('the manifest is not one of truetrail-bundle/1')
        if [each['name'] for each in manifest['files']] != list(files)[:-1]:
            raise ValueError('the files are not those of the manifest')
        listed = {each['name']: each for each in manifest['files']}

        def read(name):
            entry, start = files[name]
            limit = next((limit for start_of, limit in LIMITS if name.startswith(start_of)), 2**28)
            if max(entry[3:5]) > limit:
                raise ValueError(f'{name} has {entry[4]} bytes; it has at most {limit}')
            packed, about = read_at(start, entry[3]), listed[name]
            content = unpack(entry, packed)
            if [str(len(content)), sha256(content).hex(), str(len(packed)), sha256(packed).hex()] != [about[each] for each in ('bytes', 'sha256', 'packed_bytes', 'packed_sha256')]:
                raise ValueError(f'{name} is not the file of the manifest')
            return content

        def pieces(pattern):
            for number in range(1, len(files)):
                if pattern % number not in files:
                    return
                yield pattern % number

        def lines_of(pattern):
            for name in pieces(pattern):
                yield from lines(read(name))

        def lines(content):
            *found, rest = content.split(b'\n')
            if rest:
                raise ValueError('a line does not end')
            return found

        always = {'checkpoint', 'keys.json', 'archive.ndjson', 'index.html'}
        number = min(int(name[8:20]) for name in files if re.fullmatch('anchors/[0-9]{12}.json', name))
        anchors, stamps, before = [], [], None
        while f'anchors/{number:012}.json' in files:
            data = read(f'anchors/{number:012}.json')
            anchor = canonical(data)
            if anchor['format'] != 'truetrail-anchor/1' or anchor['n'] != str(number) or before not in (None, anchor['previous']):
                wrong(f'anchor {number} is none, or does not follow the one before it')
            signed = [(*parse_checkpoint(each['note']), int(each['size_before'])) for each in anchor['checkpoints']]
            if any(a[0] >= b[0] for a, b in zip(signed, signed[1:])) or any(old > size for _, size, _, old in signed):
                wrong(f'the checkpoints of anchor {number} are not sorted by origin, or go back')
            for succession in anchor['successions']:
                parse_note(succession)
            beside = stored and pathlib.Path(stored) / f'{number:012}'
            if beside and not beside.exists():
                UNSEEN.append(f'anchor {number} is not among those of the store')
            elif beside and beside.read_bytes() != data:
                wrong(f'anchor {number} is another than that of the store')
            anchors.append(anchor)
            stamps += pieces(f'timestamps/{number:012}-%d.tsr')
            number, before = number + 1, sha256(data).hex()
        known = always | {f'anchors/{int(anchor["n"]):012}.json' for anchor in anchors} | {*stamps, *pieces('events/%06d.ndjson'), *pieces('proof/%06d.hashes')}
        if set(listed) - known or always - set(listed):
            wrong('a file is unknown, or is not there')
        for name in ('index.html', *stamps):
            read(name)
        if any(canonical(line)['ledger'] != manifest['ledger'] for line in lines(read('archive.ndjson'))):
            wrong('archive.ndjson is of another ledger')

        note = read('checkpoint').decode()
        origin, size, root_hash = parse_checkpoint(note)
        if origin != manifest['origin'] or origin.rpartition('/')[2] != manifest['ledger'] or int(manifest['as_of']) > size:
            wrong('the checkpoint is of another ledger, or ends before as_of')
        successions = canonical(read('keys.json'))['successions']
        keys = signing_key(parse_key(trusted), successions, size)
        if origin != parse_key(trusted)[0] or not any(is_signed(note, key) for key in keys):
            wrong('the checkpoint is not signed with a key reached from the one given')
        own = [each['note'] for each in anchors[0]['checkpoints'] if parse_checkpoint(each['note'])[0] == origin]
        if len(own) != 1 or parse_note(own[0])[0] != parse_note(note)[0] or not note.startswith(own[0]):
            wrong('the anchor does not hold the checkpoint')
        elif not any(is_signed(own[0], key) for key in keys):
            wrong('the checkpoint in the anchor is not signed with a key reached from the one given')

        last, public_keys = None, reached(parse_key(trusted), successions)
        for anchor in anchors:
            for succession in anchor['successions']:
                follow(public_keys, succession)
            for note in (each['note'] for each in anchor['checkpoints']):
                whose = parse_checkpoint(note)[0]
                if whose != origin and not any(is_signed(note, named(each, whose)) for each in public_keys):
                    wrong(f'the checkpoint of {whose} in anchor {anchor["n"]} is not signed with a key reached from the one given')
            if any(parse_note(each)[0].split('\n')[1] == origin and each not in successions for each in anchor['successions']):
                wrong(f'a succession of keys in anchor {anchor["n"]} is not in keys.json')
            for each in anchor['checkpoints']:
                whose, *this = parse_checkpoint(each['note'])
                if whose != origin:
                    continue
                if last and (int(each['size_before']) != last[0] or this[0] < last[0] or (this[0] == last[0] and this != last)):
                    wrong(f'the checkpoint in anchor {anchor["n"]} does not go on from the one before')
                if last and not any(is_signed(each['note'], key) for key in signing_key(parse_key(trusted), successions, this[0])):
                    wrong(f'the checkpoint in anchor {anchor["n"]} is not signed with a key reached from the one given')
                last = this

        hashes = [0]

        def proof():
            for line in lines_of('proof/%06d.hashes'):
                hashes[0] += 1
                yield bytes.fromhex(re.fullmatch('[0-9a-f]{64}', line.decode()).group())
            raise ValueError('the proof has too few hashes')

        iterator = proof()
        root = Root(size, iterator)
        check_lines((canonical(line) for line in lines_of('events/%06d.ndjson')), manifest, root)
        if root.root() != root_hash:
            wrong('events and hashes lead to another root than that of the checkpoint')
        if str(hashes[0]) != manifest['hashes'] or len(list(lines_of('proof/%06d.hashes'))) != hashes[0]:
            wrong('the proof has hashes left over')
        return manifest


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        manifest = verify(*sys.argv[1:])
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError, struct.error, zlib.error, Refused) as error:
        wrong(f'{type(error).__name__}: {error}')
    else:
        print(f"{manifest['events']} events of {manifest['origin']}, {manifest['completeness']}: {len(FOUND)} findings")
    for what in UNSEEN:
        print(f'unchecked: {what}')
    return 1 if FOUND else 2 if UNSEEN else 0


if __name__ == '__main__':
    sys.exit(main())
