#!/usr/bin/env python3
"""Checks the events of a ledger from what the API answers, by FORMAT.md alone: Python's standard library, nothing of the service.

  verify.py [--whole] [--receipts FILE] [FILE]   NDJSON of events with its end line; standard input without FILE
  verify.py --vectors DIR                        that this program and the vectors agree

--whole     the events must be all of the ledger, from sequence 1 to the end line's as_of
--receipts  NDJSON of receipts, or of answers that hold them, to compare with the events

Members that are no part of the record (docs/format.md) are passed over: no hash holds them. Prints a line for each thing that is wrong. Exit status: 0 valid, 1 something is wrong, 2 nothing wrong was found but something
could not be read.
"""
import argparse, base64, datetime, decimal, hashlib, json, math, pathlib, re, struct, sys, unicodedata

CONTENT = ('event_id timestamp event_type entity_type entity_id action user_id previous_state new_state metadata '
           'source source_session source_sequence corrects raw').split()
REQUIRED = 'timestamp event_type entity_type entity_id action user_id new_state event_id'.split()
ENVELOPE = 'format origin sequence event_id recorded_at recorded_by content_hash previous_event_hash'.split()
LIMITS = dict(event_type=100, entity_type=50, entity_id=255, action=50, user_id=255, source=255, source_session=255)


class Refused(Exception):
    def __init__(self, rule, pointer=None):
        super().__init__(rule if pointer is None else f'{rule} at {pointer}')
        self.rule, self.pointer = rule, pointer


# Reading JSON

def read_number(text):
    value = float(text)
    nonzero = any(digit in '123456789' for digit in re.split('[eE]', text)[0])
    if math.isinf(value) or (value == 0 and nonzero):
        raise Refused('number-range')
    if nonzero and decimal.Decimal(text) != decimal.Decimal(repr(value)):
        raise Refused('number-precision')
    return value


def read_stored_number(text):
    value = read_number(text)
    if text != plain_decimal(value):
        raise Refused('number-not-canonical')
    return value


def check_name(name, members):
    if name == '__proto__' or name in members:
        raise Refused('forbidden-name' if name == '__proto__' else 'duplicate-name')


def read_members(pairs):
    members = {}
    for name, value in pairs:
        check_name(name, members)
        members[name] = value
    return members


class Pairs(list):
    """Members as they stand in the text."""


class NumberText(str):
    """A number as it stands in the text."""


def read_stored(value):
    """What jsonb prints: numbers as they were put in; names with the shorter first, in bytes, and those of one length byte by byte."""
    if isinstance(value, NumberText):
        return read_stored_number(str(value))
    if isinstance(value, Pairs):
        members, last = {}, None
        for name, part in value:
            check_name(name, members)
            place = (len(name.encode('utf-8', 'surrogatepass')), name.encode('utf-8', 'surrogatepass'))
            if last is not None and not last < place:
                raise Refused('member-order')
            last = place
            members[name] = read_stored(part)
        return members
    return [read_stored(part) for part in value] if isinstance(value, list) else value


def refuse_constant(_):
    raise Refused('syntax')  # NaN and the infinities, which Python would take


def read_json(data, max_depth=32, stored=False):
    members, number = (Pairs, NumberText) if stored else (read_members, read_number)
    try:
        value = json.loads(data.decode('utf-8'), object_pairs_hook=members, parse_int=number, parse_float=number,
                           parse_constant=refuse_constant)
        if stored:
            value = read_stored(value)
    except UnicodeDecodeError:
        raise Refused('utf-8') from None
    except RecursionError:
        raise Refused('nesting') from None
    except ValueError as error:
        raise Refused('syntax') from error
    todo = [(value, 1)]
    while todo:
        value_, depth = todo.pop()
        if isinstance(value_, (dict, list)):
            if depth > max_depth:
                raise Refused('nesting')
            todo += [(part, depth + 1) for part in (value_.values() if isinstance(value_, dict) else value_)]
            todo += [(name, depth + 1) for name in value_ if isinstance(value_, dict)]
        elif isinstance(value_, str):
            if '\0' in value_:
                raise Refused('nul')
            if any('\ud800' <= c <= '\udfff' for c in value_):
                raise Refused('lone-surrogate')
    return value


# Writing RFC 8785

def es_number(value):
    """Number.prototype.toString of ECMAScript. Python's repr has the same shortest digits and places the point otherwise."""
    if not math.isfinite(value):
        raise Refused('not a number of JSON')
    if value == 0:
        return '0'
    sign, digits, exponent = decimal.Decimal(repr(value)).normalize().as_tuple()
    digits, point = ''.join(map(str, digits)), len(digits) + exponent
    if len(digits) <= point <= 21:
        text = digits + '0' * (point - len(digits))
    elif 0 < point <= 21:
        text = digits[:point] + '.' + digits[point:]
    elif -6 < point <= 0:
        text = '0.' + '0' * -point + digits
    else:
        text = digits[0] + ('.' + digits[1:] if digits[1:] else '') + f'e{point - 1:+d}'
    return '-' * sign + text


def plain_decimal(value):
    return format(decimal.Decimal(es_number(value)), 'f')


def jcs(value):
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode('utf-16-be'))
        return '{' + ','.join(jcs(name) + ':' + jcs(value[name]) for name in names) + '}'
    if isinstance(value, list):
        return '[' + ','.join(map(jcs, value)) + ']'
    if isinstance(value, float):
        return es_number(value)
    return json.dumps(value, ensure_ascii=False)  # strings, true, false and null print as RFC 8785 wants


# The record

def sha256(data):
    return hashlib.sha256(data).hexdigest()


def content_hash(salt, content):
    return sha256(bytes.fromhex(salt) + jcs(content).encode())


TIMESTAMP = re.compile(r'(\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))', re.ASCII)
EPOCH = datetime.datetime(1970, 1, 1)


def read_timestamp(text):
    """(microseconds since 1970, nanoseconds past them, fractional digits, canonical form)"""
    match = isinstance(text, str) and TIMESTAMP.fullmatch(text)
    if not match:
        raise Refused('timestamp')
    date, hour, minute, second, fraction, sign, off_hour, off_minute = match.groups()
    try:
        days = datetime.date.fromisoformat(date).toordinal() - EPOCH.toordinal()
    except ValueError:
        raise Refused('timestamp') from None
    hour, minute, second, fraction = int(hour), int(minute), int(second), fraction or ''
    offset = int(off_hour) * 60 + int(off_minute) if sign else 0
    if hour > 23 or minute > 59 or second > 60 or offset > 840 or (sign and int(off_minute) > 59) or (sign == '-' and not offset):
        raise Refused('timestamp')
    if second == 60:
        raise Refused('leap-second')
    seconds = days * 86400 + hour * 3600 + minute * 60 + second - (-offset if sign == '-' else offset) * 60
    if not 0 <= seconds < 7258118400:
        raise Refused('timestamp')
    nanos = int(fraction.ljust(9, '0'))
    canonical = (EPOCH + datetime.timedelta(seconds=seconds)).strftime('%Y-%m-%dT%H:%M:%S') + ('.' + fraction if fraction else '') + 'Z'
    return seconds * 10**6 + nanos // 1000, nanos % 1000, len(fraction), canonical


def is_text(value, limit):
    return (isinstance(value, str) and 1 <= len(value) <= limit
            and not any(unicodedata.category(c) in ('Cc', 'Cs') for c in value))


def is_event_id(value):
    return (isinstance(value, str) and bool(re.fullmatch('[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}', value))
            and set(value.lower()) not in ({'0', '-'}, {'f', '-'}))


def is_source_sequence(value):
    return isinstance(value, str) and bool(re.fullmatch('0|[1-9][0-9]{0,18}', value))


def read_base64(text):
    """The bytes, or None unless the text is strict."""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def read_raw(raw):
    if not isinstance(raw, dict) or not is_text(raw.get('media_type'), 255):
        raise Refused('raw', '/raw' if not isinstance(raw, dict) else '/raw/media_type')
    data = read_base64(raw.get('data'))
    if data is None or len(data) > 65536:
        raise Refused('raw', '/raw/data')
    for name in raw.keys() - {'media_type', 'data'}:
        raise Refused('unknown-member', '/raw/' + name)
    return raw


def read_content(sent):
    """The canonical content of one that was sent, or Refused."""
    if not isinstance(sent, dict):
        raise Refused('object', '')
    for name in sent:
        if name not in CONTENT:
            raise Refused('unknown-member', '/' + name)
    content = {'previous_state': None, 'metadata': {}, **sent}
    for name in REQUIRED:
        if name not in content:
            raise Refused('required', '/' + name)
    for name, value in content.items():
        try:
            if name == 'timestamp':
                content[name] = read_timestamp(value)[3]
            elif name in ('event_id', 'corrects'):
                content[name] = value.lower() if is_event_id(value) else refuse('uuid')
            elif name == 'raw':
                read_raw(value)
            elif name == 'source_sequence':
                is_source_sequence(value) or refuse('source-sequence')
            elif name in LIMITS:
                is_text(value, LIMITS[name]) or refuse('text')
            else:
                isinstance(value, dict) or (name == 'previous_state' and value is None) or refuse('object')
        except Refused as refused:
            raise Refused(refused.rule, refused.pointer or '/' + name) from None
    return content


def refuse(rule):
    raise Refused(rule)


# Events of the API

class Report:
    def __init__(self):
        self.findings = self.unreadable = 0

    def wrong(self, where, what):
        self.findings += 1
        print(f'{where}: {what}')

    def unread(self, where, why):
        self.unreadable += 1
        print(f'{where}: cannot be read ({why})')

    def status(self):
        return 1 if self.findings else 2 if self.unreadable else 0


RECORDED_AT = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z', re.ASCII)


def envelope_fault(event):
    """The name of an envelope's first member that no envelope has so, or None."""
    def is_time(value):
        try:
            return bool(RECORDED_AT.fullmatch(value)) and read_timestamp(value)[3] == value
        except (Refused, TypeError):
            return False

    def is_hash(value):
        return isinstance(value, str) and bool(re.fullmatch('[0-9a-f]{64}', value))

    def is_ascii(value):
        return isinstance(value, str) and bool(re.fullmatch(r'[ !#-\[\]-~]+', value))

    rules = dict(format=lambda value: value == 'truetrail/1', origin=is_ascii, recorded_by=is_ascii, recorded_at=is_time, content_hash=is_hash,
                 event_id=lambda value: is_event_id(value) and value == value.lower(),
                 sequence=lambda value: isinstance(value, str) and bool(re.fullmatch('[1-9][0-9]{0,18}', value)),
                 previous_event_hash=lambda value: value is None or is_hash(value))
    return next((name for name in ENVELOPE if not rules[name](event[name])), None)


def check_event(event, where, report):
    """Recomputes both hashes of one event; returns its event hash, or None where that cannot be computed."""
    missing = [name for name in (*ENVELOPE, 'salt', 'event_hash') if name not in event]
    if missing:
        return report.wrong(where, 'has no ' + ', '.join(missing))
    if event['format'] != 'truetrail/1':
        return report.wrong(where, f'is of the unknown format {event["format"]}')
    if not isinstance(event['salt'], str) or not re.fullmatch('[0-9a-f]{32}', event['salt']):
        report.wrong(where, 'has no salt of 16 bytes in hex, so its content cannot be checked')
    else:
        content = {name: event[name] for name in CONTENT if name in event}
        computed = content_hash(event['salt'], content)
        try:
            if read_content(content) != content:
                report.wrong(where, 'has a content that is not in canonical form')
        except Refused as refused:
            report.wrong(where, f'has a content that is never recorded ({refused})')
        if computed != event['content_hash']:
            report.wrong(where, f'content_hash is {event["content_hash"]}, the content gives {computed}')
    return check_envelope(event, where, report)


def check_envelope(event, where, report):
    computed = sha256(jcs({name: event[name] for name in ENVELOPE}).encode())
    fault = envelope_fault(event)
    if fault:
        report.wrong(where, f'has a {fault} that no envelope has: {event[fault]}')
    if computed != event['event_hash']:
        report.wrong(where, f'event_hash is {event["event_hash"]}, the envelope gives {computed}')
    return computed


def check_ledger(lines, whole, report):
    """Checks events and their links. Returns the events by sequence."""
    events, hashes, ids, origins, count, end = {}, {}, {}, set(), 0, None
    for number, line in enumerate(lines, 1):
        where = f'line {number}'
        try:
            event = read_json(line.rstrip(b'\n'))
        except Refused as refused:
            if refused.rule in ('syntax', 'utf-8'):
                report.unread(where, refused)
            else:
                report.wrong(where, f'holds what no record can ({refused})')
            continue
        if not isinstance(event, dict):
            report.unread(where, 'it is no object')
        elif end is not None:
            report.wrong(where, 'stands after the end line')
        elif set(event) == {'end'}:
            end = event['end']
        else:
            count += 1
            where += f', event {event.get("event_id")}'
            if not isinstance(event.get('sequence'), str) or not re.fullmatch('[1-9][0-9]*', event['sequence']):
                report.wrong(where, 'has no sequence')
                continue
            sequence = int(event['sequence'])
            computed = check_event(event, where, report)
            if sequence in events:
                report.wrong(where, f'sequence {sequence} was there before')
            if ids.setdefault(event.get('event_id'), sequence) != sequence:
                report.wrong(where, f'this id has sequence {ids[event["event_id"]]} as well')
            if not origins or event.get('origin') in origins:
                origins.add(event.get('origin'))
            else:
                report.wrong(where, f'is of another ledger, {event.get("origin")}')
            events[sequence], hashes[sequence] = event, computed
    for sequence, event in events.items():
        where, before = f'sequence {sequence}', events.get(sequence - 1)
        previous = event.get('previous_event_hash')
        if sequence == 1 and previous is not None:
            report.wrong(where, 'is the first, and previous_event_hash is not null')
        if sequence > 1 and previous is None:
            report.wrong(where, 'previous_event_hash is null')
        elif before and hashes[sequence - 1] not in (previous, None):
            report.wrong(where, f'previous_event_hash is {previous}, the event before it gives {hashes[sequence - 1]}')
        if before and str(before.get('recorded_at')) > str(event.get('recorded_at')):
            report.wrong(where, 'is recorded earlier than the event before it')
    if not isinstance(end, dict) or not all(re.fullmatch('[0-9]+', str(end.get(name))) for name in ('events', 'as_of')):
        report.wrong('the end', 'there is no end line, so the answer is incomplete')
        return events
    # A line that could not be read may be any of those that are missing.
    as_of, unread = int(end['as_of']), report.unreadable
    if not count <= int(end['events']) <= count + unread:
        report.wrong('the end', f'says {end["events"]} events; there are {count}')
    if events and max(events) > as_of:
        report.wrong('the end', f'says as_of {as_of}; there is sequence {max(events)}')
    if whole:
        for first, last in gaps(events, as_of):
            unread -= last - first + 1
            if unread < 0:
                report.wrong('the ledger', f'lacks sequences {first} to {last}')
    return events


def gaps(events, as_of):
    expected = 1
    for sequence in (*sorted(events), as_of + 1):
        if expected < sequence <= as_of + 1:
            yield expected, sequence - 1
        expected = max(expected, sequence + 1)


def receipts_of(value):
    """The receipts in a line: itself, or the members `receipt` or `receipts` of an answer to a write."""
    if 'receipts' in value:
        return value['receipts']
    return [value['receipt']] if 'receipt' in value else [value] if 'event_hash' in value else []


def check_receipts(lines, events, whole, report):
    for number, line in enumerate(lines, 1):
        where = f'receipt line {number}'
        try:
            receipts = receipts_of(read_json(line.rstrip(b'\n')))
            for receipt in receipts:
                check_envelope(receipt, where, report)
                event = events.get(int(receipt['sequence']))
                if event is None:
                    if whole:
                        report.wrong(where, f'sequence {receipt["sequence"]} is not there')
                    continue
                for name in (*ENVELOPE, 'salt', 'event_hash'):
                    if receipt[name] != event.get(name):
                        report.wrong(where, f'{name} is {receipt[name]}, in the event {event.get(name)}')
        except (Refused, KeyError, TypeError, ValueError) as error:
            report.unread(where, error)


# The vectors

def text_of(case):
    text = case['text'] * case.get('times', 1) + case.get('then', '') if 'text' in case else None
    return text if text is not None else bytes.fromhex(case['utf16']).decode('utf-16-be', 'surrogatepass')


def attempt(function, *arguments, **named):
    """(result, None) or (None, the rule)"""
    try:
        return function(*arguments, **named), None
    except Refused as refused:
        return None, refused.rule


def sent_text(case, base):
    members = {**base, **case.get('with', {})}
    return case.get('sent') or '{' + ','.join(f'"{name}":{text}' for name, text in members.items() if name not in case.get('without', ())) + '}'


def check_vectors(folder, report):
    vectors = {path.stem: json.loads(path.read_text('utf-8')) for path in sorted(folder.glob('*.json'))}
    count = 0

    def expect(file, case, got, wanted):
        nonlocal count
        count += 1
        if got != wanted:
            report.wrong(f'{file}.json, {case.get("name") or case.get("text") or case}', f'gives {got!r}, not {wanted!r}')

    for case in vectors['json']['cases']:
        data = bytes.fromhex(case['hex']) if 'hex' in case else text_of(case).encode()
        for mode in ('wire', 'stored'):
            value, rule = attempt(read_json, data, case.get('max_depth', 32), mode == 'stored')
            expect('json', case, rule or 'taken', case[mode])
            if rule is None and 'canonical' in case:
                expect('json', case, jcs(value), case['canonical'])
    for case in vectors['numbers']['cases']:
        value, = struct.unpack('>d', bytes.fromhex(case['double']))
        expect('numbers', case, attempt(es_number, value)[0], case['canonical'])
        if case['canonical'] is not None:
            expect('numbers', case, plain_decimal(value), case['plain'])
            expect('numbers', case, es_number(read_number(case['canonical'])), case['canonical'])
            expect('numbers', case, es_number(read_stored_number(case['plain'])), case['canonical'])
    for case in vectors['timestamps']['accepted']:
        micros, nanos, digits, canonical = attempt(read_timestamp, case['text'])[0] or (None,) * 4
        expect('timestamps', case, [str(micros), nanos, digits, canonical], [case['micros'], case['nanos'], case['digits'], case['canonical']])
    for case in vectors['timestamps']['refused']:
        expect('timestamps', case, attempt(read_timestamp, case['text'])[1], case['rule'])
    for case in vectors['strings']['texts']:
        expect('strings', case, is_text(text_of(case), case['max']), case['taken'])
    for case in vectors['strings']['event_ids']:
        expect('strings', case, case['text'].lower() if is_event_id(case['text']) else None, case['canonical'])
    for case in vectors['strings']['source_sequences']:
        expect('strings', case, is_source_sequence(case['text']), case['taken'])
    for case in vectors['base64']['cases']:
        data = read_base64(text_of(case))
        expect('base64', case, None if data is None else len(data), case['length'])
        if 'hex' in case:
            expect('base64', case, data.hex(), case['hex'])
    base = vectors['content']['base']
    for case in vectors['content']['accepted']:
        content, rule = attempt(lambda: read_content(read_json(sent_text(case, base).encode())))
        expect('content', case, content and jcs(content), case['canonical'])
        expect('content', case, content and content_hash(case['salt'], content), case['content_hash'])
    for case in vectors['content']['refused']:
        try:
            read_content(read_json(sent_text(case, base).encode()))
            expect('content', case, 'taken', 'refused')
        except Refused as refused:
            # The JSON reader here does not know where it was; the other rules do.
            expect('content', case, [refused.pointer or case['pointer'], case.get('rule') and refused.rule], [case['pointer'], case.get('rule')])
    for case in vectors['content']['chain']:
        expect('content', case, jcs(read_json(case['canonical'].encode())), case['canonical'])
        expect('content', case, content_hash(case['salt'], read_json(case['canonical'].encode())), case['envelope']['content_hash'])
        expect('content', case, jcs(case['envelope']), case['envelope_text'])
        expect('content', case, sha256(case['envelope_text'].encode()), case['event_hash'])
        expect('content', case, sha256(b'\0' + bytes.fromhex(case['event_hash'])), case['leaf_hash'])
    print(f'{count} checks of the vectors, {report.findings} disagree')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', nargs='?')
    parser.add_argument('--whole', action='store_true')
    parser.add_argument('--receipts', metavar='FILE')
    parser.add_argument('--vectors', metavar='DIR', type=pathlib.Path)
    options, report = parser.parse_args(), Report()
    try:
        if options.vectors:
            check_vectors(options.vectors, report)
        else:
            with open(options.file, 'rb') if options.file else sys.stdin.buffer as lines:
                events = check_ledger(lines, options.whole, report)
            if options.receipts:
                with open(options.receipts, 'rb') as lines:
                    check_receipts(lines, events, options.whole, report)
            links = sum(sequence - 1 in events for sequence in events)
            print(f'{len(events)} events, {links} links between neighbours, {report.findings} findings, {report.unreadable} unreadable')
    except OSError as error:
        report.unread(error.filename or 'the file', error.strerror)
    return report.status()


if __name__ == '__main__':
    sys.exit(main())
