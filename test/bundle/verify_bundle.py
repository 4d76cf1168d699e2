#!/usr/bin/env python3
"""Verifies an evidence bundle by docs/evidence.md and docs/format.md alone: Python's standard library, nothing of the service.

  verify_bundle.py BUNDLE.zip VERIFIER-KEY [ANCHORS]

ANCHORS is a folder with anchors as the object store has them, which those of the bundle are compared with.
Prints a line for each thing that is wrong or could not be seen, or that a range of a valid bundle leaves open. Exit status: 0 valid, 1 not, 2 undecided. It does not compare index.html with the rest, and
does not look at the certificates of timestamps.
"""
import hashlib, pathlib, re, struct, sys, unicodedata, zlib
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'vectors'))
from verify import CONTENT, ENVELOPE, Refused, content_hash, envelope_fault, jcs, read_base64, read_content, read_json, read_timestamp  # noqa: E402

FOUND, UNSEEN, NOTES = [], [], []


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


def members(value, *names):
    """The values of an object that has these members and no others."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise ValueError(f'where an object of {", ".join(names)} should be is something else')
    return [value[name] for name in names]


def number(text):
    if not isinstance(text, str) or not re.fullmatch('0|[1-9][0-9]{0,18}', text):
        raise ValueError('where a decimal number should be is something else')
    return int(text)


def strict_base64(text):
    data = read_base64(text)
    if data is None:
        raise ValueError('it is no base64')
    return data


def are(kind, *values):
    return all(isinstance(value, kind) for value in values)


def is_digest(text):
    return isinstance(text, str) and bool(re.fullmatch('[0-9a-f]{64}', text))


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

ED25519, COSIGNATURE = 1, 4


def is_key_name(name):
    return name != '' and not any(c in '+\ufeff' or unicodedata.category(c) in ('Zs', 'Zl', 'Zp', 'Cc') for c in name)


def parse_key(text, algorithms=(ED25519,)):
    """Name, key id and public key; and its algorithm."""
    name, key_id, blob = text.split('+', 2)
    blob = strict_base64(blob)
    if not is_key_name(name) or len(blob) != 33 or blob[0] not in algorithms or sha256(name.encode() + b'\n' + blob)[:4].hex() != key_id:
        raise ValueError('it is no verifier key of Ed25519')
    return (name, bytes.fromhex(key_id), blob[1:]), blob[0]


def parse_note(note):
    if not isinstance(note, str) or len(note) > 10**6 or re.search('[\0-\x09\x0b-\x1f]', note):
        raise ValueError('a note is a text without control characters')
    text, signatures = note[:note.rindex('\n\n') + 1], note[note.rindex('\n\n') + 2:].split('\n')
    if signatures.pop() != '' or not 1 <= len(signatures) <= 100:
        raise ValueError('a note ends with lines of signatures, a hundred at most')
    parsed = []
    for line in signatures:
        dash, name, blob = line.split(' ')
        blob = strict_base64(blob)
        if dash != '\u2014' or not is_key_name(name) or len(blob) <= 4:
            raise ValueError('a signature is an em dash, a name and base64')
        parsed.append((name, blob))
    return text, parsed


def parse_checkpoint(note):
    """Origin, size and root hash of a note."""
    origin, size, root, *more = parse_note(note)[0].split('\n')
    if more[-1:] != [''] or '' in more[:-1]:
        raise ValueError('a checkpoint is an origin, a size and a root hash, a line each')
    size, root = number(size), strict_base64(root)
    if not is_key_name(origin) or len(root) != 32 or (size == 0 and root != sha256(b'')):
        raise ValueError('a checkpoint is an origin, a size and a root hash of 32 bytes')
    return origin, size, root


def is_signed(note, *keys):
    """Whether it bears a signature of one of the keys, and none that is wrong of any of them."""
    text, signatures = parse_note(note)
    own = [(key, blob[4:]) for name, blob in signatures for key in keys if name == key[0] and blob[:4] == key[1]]
    return bool(own) and all(verifies(key[2], text.encode(), blob) for key, blob in own)


def parse_succession(note):
    """Origin, new key (None for one that signs no checkpoints) and the size from which it signs."""
    heading, origin, key, size, end = parse_note(note)[0].split('\n')
    if heading != 'truetrail/key-succession/v1' or end != '':
        raise ValueError('it is no succession of keys')
    key, algorithm = parse_key(key, (ED25519, COSIGNATURE))
    return origin, key if algorithm == ED25519 and key[0] == origin else None, number(size)


def key_terms(trusted, successions):
    """The keys that are reached from the trusted one, each with the sizes of the checkpoints that it may sign."""
    terms, seen = [[trusted, 0, None]], {trusted}
    parsed = [(note, *parse_succession(note)) for note in successions]
    while True:
        current, following = terms[-1][0], {}
        for note, origin, new, size in parsed:
            if origin == current[0] and new not in (None, current) and is_signed(note, current) and is_signed(note, new):
                following[new, size] = new
        if len(following) > 1:
            raise ValueError('a key has two successors')
        for (_, start), new in following.items():
            if new in seen:
                raise ValueError('keys succeed each other in a circle')
            terms[-1][2] = start
            terms.append([new, start, None])
            seen.add(new)
        if not following:
            return terms


def may_sign(terms, size):
    return [key for key, start, end in terms if size >= start and (end is None or size <= end)]


def named(public_key, name):
    return name, sha256(name.encode() + b'\n\1' + public_key)[:4], public_key


def follow(keys, note):
    """Adds the key that a succession of any ledger leads to: one key signs all of them. What is none leads nowhere."""
    try:
        origin, new, _ = parse_succession(note)
    except ValueError:
        return
    if new and is_signed(note, new) and any(is_signed(note, named(each, origin)) for each in keys if each != new[2]):
        keys.add(new[2])


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
    if entry[1] != 8:
        raise ValueError(f'{entry[0]} is not deflated')
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


def filters_of(asked):
    """What the events must meet, by the names that a search gives it. ValueError for what says nothing."""
    if not isinstance(asked, dict) or not asked or not any(set(asked) <= set(kind) for kind in KINDS):
        raise ValueError('it does not say what was asked for')
    if 'event_ids' in asked:
        if not isinstance(asked['event_ids'], list):
            raise ValueError('it does not say which ids were asked for')
        return {}
    filters = {'entity_type': 'order', 'entity_id': asked['order_id']} if 'order_id' in asked else asked.get('search', asked)
    if not isinstance(filters, dict) or not are(str, *filters.values()):
        raise ValueError('it does not say what was asked for')
    for name, value in filters.items():
        if name in KINDS[4] + KINDS[5]:
            time_of(value)
        elif name in KINDS[3] and number(value) == 0:
            raise ValueError('a sequence is 1 or more')
    return filters


def matches(line, filters, is_full):
    for name, value in filters.items():
        if name in ('sort', 'order'):
            continue
        if name in ('from_sequence', 'to_sequence'):
            good = (int(line['sequence']) >= int(value)) if name[0] == 'f' else (int(line['sequence']) <= int(value))
        elif name in KINDS[4]:
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
    first, last = map(number, members(span, 'from_sequence', 'to_sequence')) if span else (None, None)
    as_of, window = number(manifest['as_of']), filters_of(asked)
    by_sequences, recorded_from, recorded_to = bool(set(asked) & set(KINDS[3])), window.get('recorded_from'), window.get('recorded_to')
    ranged = by_sequences or bool(set(asked) & set(KINDS[4]))
    if ranged != (manifest['completeness'] == 'complete-range'):
        wrong('ranges of sequences and of recorded time are complete, and nothing else is')
    deleted = []
    for each in manifest['deleted']:
        begin, end, years, *texts = members(each, 'from_sequence', 'to_sequence', 'years', 'month', 'deletion', 'policy', 'deleted_at')
        if not are(str, *texts) or not are(float, years):
            raise ValueError('what was deleted has no month, deletion, policy, years or time')
        deleted.append((number(begin), number(end)))
    ends = [0, *(number for each in deleted for number in each), as_of + 1]
    if deleted and span:
        wrong('of a range nothing may have been deleted')
    if not all(a < b if at % 2 == 0 else a <= b for at, (a, b) in enumerate(zip(ends, ends[1:]))):
        wrong('what was deleted is no ranges up to as_of, one after the other')
    if span and not (1 <= first <= last + 1 <= as_of + 1):
        wrong('the range is none up to as_of')
    high, low = int(window.get('to_sequence', as_of)), int(window.get('from_sequence', 1))
    if not by_sequences:
        high = min(as_of, high)
        low = min(high + 1, low)
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
        if is_found and (not matches(line, window, is_full) or ('event_ids' in asked and line['event_id'] not in ids)):
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
    if ranged and span and last == as_of and 'to_sequence' not in asked:
        NOTES.append(f'the range ends at as_of, sequence {as_of}: ' + (f'no event recorded at {recorded_to} or later shows that it is the last' if recorded_to else 'it was asked for without an end'))
    told = {'sort', 'order', *KINDS[3], *KINDS[4]}
    of_contents = sorted(set(asked.get('search', asked)) - told) if 'event_ids' not in asked else []
    if found and not contents and of_contents:
        UNSEEN.append(f'without contents it cannot be seen that the events are those that were asked for: {", ".join(of_contents)}')
    if (str(found), str(beside)) != (manifest['events'], manifest['envelopes']):
        wrong(f'the manifest counts otherwise than {found} events and {beside} envelopes')


def check_manifest(manifest):
    """That it has the members that a manifest has, each of its kind."""
    form, ledger, origin, _, completeness, span, contents, deleted, files, *counts = members(
        manifest, 'format', 'ledger', 'origin', 'asked', 'completeness', 'range', 'contents', 'deleted', 'files',
        'as_of', 'events', 'envelopes', 'hashes')
    if form != 'truetrail-bundle/1' or not are(str, ledger, origin) or not are(bool, contents) or not are(list, deleted, files):
        raise ValueError('the manifest is not one of truetrail-bundle/1')
    if completeness not in ('complete-range', 'as-found', 'as-found-in-range') or (span is None) != (completeness == 'as-found'):
        raise ValueError('the manifest does not say how complete it is')
    if completeness == 'as-found-in-range' and not contents:
        raise ValueError('without contents it cannot be seen in a range what was found')
    for count in counts:
        number(count)
    for each in files:
        members(each, 'name', 'bytes', 'sha256', 'packed_bytes', 'packed_sha256')


def read_anchor(data, n, before):
    """The checkpoints of an anchor, as (size before, note), and its successions."""
    form, named_n, previous, checkpoints, successions = members(canonical(data), 'format', 'n', 'previous', 'checkpoints', 'successions')
    if form != 'truetrail-anchor/1' or named_n != str(n) or n == 0 or before not in (None, previous):
        wrong(f'anchor {n} is none, or does not follow the one before it')
    if not (previous is None if n == 1 else is_digest(previous)) or not are(list, checkpoints, successions):
        raise ValueError(f'anchor {n} is none')
    for note in successions:
        parse_note(note)
    read = [members(each, 'size_before', 'note') for each in checkpoints]
    return [(number(size_before), note, *parse_checkpoint(note)) for size_before, note in read], successions


def verify(path, trusted, stored=None):
    with open(path, 'rb') as file:
        files, read_at = read_zip(file)
        if list(files)[-1:] != ['manifest.json'] or files['manifest.json'][0][1] != 0:
            raise ValueError('the last file is no manifest')
        manifest_bytes = read_at(files['manifest.json'][1], files['manifest.json'][0][3])
        if zlib.crc32(manifest_bytes) != files['manifest.json'][0][2]:
            raise ValueError('the manifest has another CRC')
        manifest = canonical(manifest_bytes)
        if manifest['format'] != 'truetrail-bundle/1' and manifest['format'].startswith('truetrail-bundle/'):
            UNSEEN.append('the bundle is of another format')
            return manifest
        check_manifest(manifest)
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
        n = min(int(name[8:20]) for name in files if re.fullmatch('anchors/[0-9]{12}[.]json', name))
        anchors, stamps, before = [], [], None
        while f'anchors/{n:012}.json' in files:
            data = read(f'anchors/{n:012}.json')
            checkpoints, its_successions = read_anchor(data, n, before)
            origins = [origin.encode('utf-16-be') for _, _, origin, _, _ in checkpoints]
            if any(a >= b for a, b in zip(origins, origins[1:])) or any(old > size for old, _, _, size, _ in checkpoints):
                wrong(f'the checkpoints of anchor {n} are not sorted by origin, or go back')
            beside = stored and pathlib.Path(stored) / f'{n:012}'
            if beside and not beside.exists():
                UNSEEN.append(f'anchor {n} is not among those of the store')
            elif beside and beside.read_bytes() != data:
                wrong(f'anchor {n} is another than that of the store')
            anchors.append((n, checkpoints, its_successions))
            stamps += pieces(f'timestamps/{n:012}-%d.tsr')
            n, before = n + 1, sha256(data).hex()
        known = always | {f'anchors/{n:012}.json' for n, _, _ in anchors} | {*stamps, *pieces('events/%06d.ndjson'), *pieces('proof/%06d.hashes')}
        if set(listed) - known or always - set(listed):
            wrong('a file is unknown, or is not there')
        for name in ('index.html', *stamps):
            read(name)
        if any(canonical(line)['ledger'] != manifest['ledger'] for line in lines(read('archive.ndjson'))):
            wrong('archive.ndjson is of another ledger')

        note = read('checkpoint').decode()
        origin, size, root_hash = parse_checkpoint(note)
        if origin != manifest['origin'] or origin.rpartition('/')[2] != manifest['ledger'] or number(manifest['as_of']) > size:
            wrong('the checkpoint is of another ledger, or ends before as_of')
        keys, successions = members(canonical(read('keys.json')), 'keys', 'successions')
        if not are(list, keys, successions) or not are(str, *keys, *successions):
            raise ValueError('keys.json has no lists of keys and successions')
        trusted_key = parse_key(trusted)[0]
        terms = key_terms(trusted_key, successions)
        if origin != trusted_key[0] or not is_signed(note, *may_sign(terms, size)):
            wrong('the checkpoint is not signed with a key reached from the one given')
        own = [anchored for _, anchored, whose, _, _ in anchors[0][1] if whose == origin]
        if len(own) != 1 or parse_note(own[0])[0] != parse_note(note)[0] or not note.startswith(own[0]):
            wrong('the anchor does not hold the checkpoint')
        elif not is_signed(own[0], *may_sign(terms, size)):
            wrong('the checkpoint in the anchor is not signed with a key reached from the one given')

        last, public_keys = None, {key[2] for key, _, _ in terms}
        for n, checkpoints, its_successions in anchors:
            for succession in its_successions:
                follow(public_keys, succession)
            if any(parse_note(each)[0].split('\n')[1] == origin and each not in successions for each in its_successions):
                wrong(f'a succession of keys in anchor {n} is not in keys.json')
            for size_before, anchored, whose, *this in checkpoints:
                if whose != origin:
                    if not is_signed(anchored, *(named(each, whose) for each in public_keys)):
                        wrong(f'the checkpoint of {whose} in anchor {n} is not signed with a key reached from the one given')
                    continue
                if last and (size_before != last[0] or this[0] < last[0] or (this[0] == last[0] and this != last)):
                    wrong(f'the checkpoint in anchor {n} does not go on from the one before')
                if last and not is_signed(anchored, *may_sign(terms, this[0])):
                    wrong(f'the checkpoint in anchor {n} is not signed with a key reached from the one given')
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
    for kind, told in ('unchecked', UNSEEN), ('note', NOTES):
        for what in told:
            print(f'{kind}: {what}')
    return 1 if FOUND else 2 if UNSEEN else 0


if __name__ == '__main__':
    sys.exit(main())
