#!/usr/bin/env python3
"""What the reports must answer over the recorded data, computed as plainly as possible from the source files.

    expected_reports.py FOLDER SOURCE MOST
    expected_reports.py FOLDER SOURCE messages
    expected_reports.py FOLDER SOURCE executions

FOLDER and SOURCE as for expected_histories.py, whose reading of the files this goes on with. MOST: of the first so many
events, in the order in which they are recorded; 0 for all. Prints one line of JSON for each question:
{"report": ..., "parameters": {...}, "rows": [...]}, the rows in order. A column that is not in a row is not compared:
ids that the service makes, times of recording, words that converters add. A column that is null must be empty. A column
that holds an object must be JSON with these members; those that are null must be absent from it. (Empty has none.)

`messages`: each message of a FIX log is an event of its own, of the session of its sender, and counted by tag 34; the
question is what is missing, repeated or silent. `executions`: a Databento file tells each execution twice, as the fill of
the resting order (F) and as the public print (T); the question is whether they agree.

Shares nothing with the service or the converters. Python's standard library is all it needs.
"""
import base64
import csv
import hashlib
import io
import json
import sys
import unicodedata
from datetime import date, datetime, timedelta
from decimal import Decimal

import expected_histories as files

FILLS = ('fill', 'partial_fill')
ENDS = ('fill', 'cancel', 'expire', 'reject')
ALL_TIME = {'from': '1970-01-01T00:00:00Z', 'to': '2026-01-01T00:00:00Z'}


def in_time(event):
    """As a key to sort by: seconds as written, then nanoseconds."""
    seconds, _, fraction = event['timestamp'].rstrip('Z').partition('.')
    return seconds, fraction.ljust(9, '0'), event['sequence']


def recorded(histories, names_of_files, most):
    """All events in the order in which they are recorded: file by file, each counted through."""
    events = []
    for entity_id, history in histories:
        for event in history:
            events.append({**event, 'order_id': entity_id})
    events.sort(key=lambda event: (names_of_files.index(event['source_session']), int(event['source_sequence'])))
    events = events[:most] if most else events
    for number, event in enumerate(events, 1):
        event['sequence'] = number
        # before the order's terms are followed
        outside_of_fills = event['action'] not in FILLS
        event['order_quantity'] = event.get('quantity') if outside_of_fills else None
        event['limit_price'] = event.get('price') if outside_of_fills else None
    return events


FOLLOWED = ('symbol', 'side', 'exchange', 'order_quantity', 'limit_price', 'client_id', 'client_id_type',
            'investment_decision_maker', 'execution_decision_maker')


def follow_orders(events):
    """Puts into each event's 'known' what was said last of its order, itself included, as (value, sequence)."""
    by_order = {}
    for event in events:
        by_order.setdefault(event['order_id'], []).append(event)
    for history in by_order.values():
        known, over = {}, False
        for place, event in enumerate(history):
            if event['action'] == 'create' and over:
                known, over = {}, False  # the id is used again
            if event.get('client_id') and event['client_id'] != known.get('client_id', (None,))[0]:
                known.pop('client_id_type', None)
            for name in FOLLOWED:
                if event.get(name) is not None:
                    known[name] = (event[name], event['sequence'])
            event['known'] = dict(known)
            over = over or event['action'] in ENDS
            if not any(each['action'] == 'create' for each in history[:place + 1]):
                begins_later(event, history[place + 1:])


def begins_later(event, rest):
    """What is recorded before its order's create takes from that what it lacks, unless the create happened later."""
    create = next((each for each in rest if each['action'] == 'create'), None)
    if create is None or in_time(create)[:2] > in_time(event)[:2]:
        return
    for name in FOLLOWED:
        if create.get(name) is not None and name not in event['known']:
            event['known'][name] = (create[name], create['sequence'])


def known(event, name):
    return event['known'].get(name, (None, None))[0]


# --- trades -------------------------------------------------------------------

def trades(events, first, last):
    rows = []
    for event in sorted(events, key=in_time):
        if event['action'] not in FILLS or not first <= in_time(event)[:2] < last:
            continue
        missing = [name for name in ('exchange', 'symbol', 'side', 'client_id', 'investment_decision_maker',
                                     'execution_decision_maker') if event.get(name) is None]
        looked_up = ['%s@%d' % (name, event['known'][name][1]) for name in missing if name in event['known']]
        rows.append({
            'venue': known(event, 'exchange'), 'instrument': known(event, 'symbol'), 'isin': None,
            'side': known(event, 'side'), 'quantity': event['quantity'], 'price': event['price'],
            'trade_time': event.get('execution_time') or event['timestamp'],
            'trade_time_from': 'execution_time' if event.get('execution_time') else 'timestamp',
            'client': known(event, 'client_id'),
            'investment_decision_maker': known(event, 'investment_decision_maker'),
            'execution_decision_maker': known(event, 'execution_decision_maker'),
            'order_id': event['order_id'], 'action': event['action'],
            'remaining_quantity': event['remaining_quantity'], 'timestamp': event['timestamp'],
            'sequence': str(event['sequence']), 'corrects': None, 'corrects_sequence': None,
            'looked_up': ' '.join(looked_up) or None,
            'venue_name': None, 'client_name': None, 'client_lei': None, 'unknown_in_reference_data': None,
        })
    return rows


# --- a user's activity ----------------------------------------------------------

def user_of(event):
    return event.get('user_id') or 'feed:' + event['exchange']


def user_activity(events, user):
    rows = []
    for event in sorted(events, key=in_time):
        if user_of(event) != user:
            continue
        row = {
            'timestamp': event['timestamp'], 'sequence': str(event['sequence']), 'event_type': 'order_lifecycle',
            'entity_type': 'order', 'entity_id': event['order_id'], 'action': event['action'],
            'symbol': event.get('symbol'), 'side': event.get('side'), 'quantity': event.get('quantity'),
            'price': event.get('price'), 'exchange': event.get('exchange'), 'corrects': None, 'corrected_by': None,
        }
        if event.get('reason') or event['action'] in ('create',) + FILLS:
            row['reason'] = event.get('reason')
        rows.append(row)
    return rows


# --- replay -----------------------------------------------------------------------

def replay(events, **wanted):
    rows = []
    for event in sorted(events, key=in_time):
        row = {
            'timestamp': event['timestamp'], 'sequence': str(event['sequence']), 'order_id': event['order_id'],
            'action': event['action'], 'instrument': known(event, 'symbol'), 'isin': None,
            'venue': known(event, 'exchange'), 'side': known(event, 'side'), 'quantity': event['quantity'],
            'price': event['price'], 'remaining_quantity': event['remaining_quantity'],
            'order_quantity': known(event, 'order_quantity'), 'limit_price': known(event, 'limit_price'),
            'client': known(event, 'client_id'),
            'investment_decision_maker': known(event, 'investment_decision_maker'),
            'execution_decision_maker': known(event, 'execution_decision_maker'), 'desk': None,
            'execution_id': event.get('execution_id'), 'user_id': user_of(event), 'copy': None, 'corrects': None,
            'corrects_sequence': None,
        }
        if all(row[name] == value for name, value in wanted.items()):
            rows.append(row)
    return rows


# --- activity -----------------------------------------------------------------------

def decimal_text(number):
    text = format(number, 'f')
    return text.rstrip('0').rstrip('.') if '.' in text else text


def ratio(dividend, divisor):
    """Four digits after the point, halves away from zero; of whole numbers, since Decimal rounds what it divides."""
    if divisor == 0:
        return None
    scale = max(-dividend.as_tuple().exponent, -divisor.as_tuple().exponent, 0)
    above, below = int(dividend.scaleb(scale + 4)), int(divisor.scaleb(scale))
    units = (2 * abs(above) + below) // (2 * below)
    return decimal_text(Decimal(units if above >= 0 else -units).scaleb(-4))


def activity(events, group_of, by_instrument):
    """Each event is counted once for its group and instrument, and once for the group."""
    rows = []
    groups = sorted({group_of(event) or '' for event in events})
    for group in groups:
        own = [event for event in events if (group_of(event) or '') == group]
        instruments = sorted({known(event, 'symbol') or '' for event in own})
        for instrument in instruments:
            of_it = [event for event in own if (known(event, 'symbol') or '') == instrument]
            rows.append(counted(of_it, group, instrument, 'instrument'))
        if not by_instrument:
            rows.append(counted(own, group, '', 'all'))
    return rows


def counted(events, group, instrument, level):
    def count(*actions):
        return sum(1 for event in events if event['action'] in actions)

    def quantities(actions, name):
        found = [known(event, name) if name == 'order_quantity' else event[name]
                 for event in events if event['action'] in actions]
        return [Decimal(text) for text in found if text is not None], found.count(None)

    ordered, no_order = quantities(('create',), 'order_quantity')
    modified, no_modify = quantities(('modify',), 'order_quantity')
    executed, no_execution = quantities(FILLS, 'quantity')
    unread = no_order + no_modify + no_execution
    orders, modifications, cancels, executions = count('create'), count('modify'), count('cancel'), count(*FILLS)
    messages = orders + 2 * modifications + cancels
    alone = level == 'instrument'
    submitted, traded = sum(ordered + modified, Decimal(0)), sum(executed, Decimal(0))
    return {
        'group': group or None, 'instrument': instrument or None, 'isin': None, 'level': level,
        'orders': str(orders), 'modifications': str(modifications), 'cancels': str(cancels),
        'expiries': '0', 'rejects': str(count('reject')), 'executions': str(executions), 'others': '0',
        'ordered_quantity': decimal_text(sum(ordered, Decimal(0))) if alone else None,
        'executed_quantity': decimal_text(traded) if alone else None,
        'unread_quantities': str(unread), 'cancel_ratio': ratio(Decimal(cancels), Decimal(orders)),
        'messages': str(messages),
        'order_to_trade_number': ratio(Decimal(messages - executions), Decimal(executions)),
        'order_to_trade_volume': ratio(submitted - traded, traded) if alone and unread == 0 else None,
    }


# --- reconstruction -------------------------------------------------------------------

STAGES = {'create': 'order', 'modify': 'modification', 'fill': 'execution', 'partial_fill': 'execution',
          'cancel': 'end', 'reject': 'end'}
TIMES = ('order_entry_time', 'execution_time')
STATE = ('symbol', 'side', 'quantity', 'price', 'exchange', 'remaining_quantity', 'currency', 'maturity', 'short_sale')
METADATA = ('client_id', 'client_id_type', 'investment_decision_maker', 'investment_decision_maker_type',
            'execution_decision_maker', 'execution_decision_maker_type', 'account', 'order_entry_time',
            'execution_time', 'modification_time', 'client_order_id', 'parent_client_order_id', 'venue_order_id',
            'execution_id', 'reason')


def stated(event, names):
    return {name: event[name] for name in names if name in event}


def message_text(message):
    """Field ends as |; None where it is no text through and through."""
    try:
        text = message.decode('utf-8').replace('\x01', '|')
    except UnicodeDecodeError:
        return None
    is_text = all(unicodedata.category(each) != 'Cc' for each in text if each not in '\t\r\n')
    return text if is_text else None


def reconstruction(by_order, messages, orders, execution_id=None):
    """orders: [(name, how it came in)]. Those that they are linked with follow, and theirs in turn."""
    rows = []
    listed = [(order, 'self', how) for order, how in orders]
    names = {order for order, _, _ in listed}

    def of(order, name):
        return sorted({event[name] for event in by_order[order] if event.get(name)})

    for order, relation, how in listed:  # grows while it is read
        for ordinal, event in enumerate(by_order[order], 1):
            message = messages.get(event['raw_sha256'])
            rows.append({
                'order_id': order, 'relation': relation, 'linked_by': how, 'ordinal': str(ordinal),
                'stage': STAGES[event['action']], 'action': event['action'], 'event_type': 'order_lifecycle',
                'timestamp': event['timestamp'], 'decision_time': None, 'submission_time': None,
                'message_time': None, **stated(event, TIMES), 'user_id': user_of(event),
                'execution': 'asked' if execution_id and event.get('execution_id') == execution_id else None,
                'previous_state': {'remaining_quantity': event['open_before']},
                'new_state': stated(event, STATE), 'metadata': stated(event, METADATA), 'standing': 'in-force',
                'corrects': None, 'correction': None, 'corrected_by': None,
                'raw_media_type': 'application/x-fix' if message else None,
                'raw_text': message_text(message) if message else None,
                'raw_base64': base64.b64encode(message).decode() if message else None,
                'sequence': str(event['sequence']),
            })
        for as_what, mine, theirs in (('parent', 'parent_client_order_id', 'client_order_id'),
                                      ('child', 'client_order_id', 'parent_client_order_id')):
            for value in of(order, mine):
                for other in sorted(by_order):
                    if other not in names and value in of(other, theirs):
                        listed.append((other, as_what, 'parent_client_order_id=' + value))
                        names.add(other)
    return rows


# --- order records -------------------------------------------------------------------------

EVENTS = {'create': 'NEWO', 'modify': 'REME', 'cancel': 'CAME', 'reject': 'REMO', 'partial_fill': 'PARF', 'fill': 'FILL'}


def order_records(events):
    """Of RTS 24's fields those that the files have anything of, but for who (of whom they have no identifiers)."""
    rows = []
    for event in sorted(events, key=in_time):
        is_fill = event['action'] in FILLS
        rows.append({
            'order_id': event['order_id'], 'action': event['action'], 'timestamp': event['timestamp'],
            'f9_date_time': is_fill and event.get('execution_time') or event['timestamp'],
            'f15_sequence_number': str(event['sequence']), 'f18_instrument': None,
            'f21_event': EVENTS[event['action']], 'f24_limit_price': known(event, 'limit_price'),
            'f28_transaction_price': event['price'] if is_fill else None,
            'f32_buy_sell': {'buy': 'BUYI', 'sell': 'SELL', None: None}[known(event, 'side')],
            'f36_initial_quantity': known(event, 'order_quantity'),
            'f37_remaining_quantity': event['remaining_quantity'],
            'f39_traded_quantity': event['quantity'] if is_fill else None,
            'sequence': str(event['sequence']), 'corrects': None, 'corrects_sequence': None,
            'unknown_in_reference_data': None,
        })
    return rows


# --- completeness -------------------------------------------------------------------------

def day_of(event):
    return event['timestamp'][:10]


def plus_days(day, days):
    return (date.fromisoformat(day) + timedelta(days)).isoformat()


def completeness(events, look_back=7, usual=3):
    """events: with source, session, counter, timestamp and sequence. Over all of their days, to the present day."""
    days = [day_of(event) for event in events]
    first, last = min(days), max(days)
    span = (date.fromisoformat(last) - date.fromisoformat(first)).days
    rows = []
    for day in (plus_days(first, number) for number in range(span + 1)):
        for source in sorted({event['source'] for event in events}):
            own = sorted((event for event in events if event['source'] == source), key=in_time)
            rows += day_of_source(day, source, own, look_back, usual)
    return rows


def completeness_row(day, source, kind, **more):
    nothing = dict.fromkeys(('source_session', 'from', 'to', 'count', 'expected', 'found', 'after_sequence',
                             'before_sequence', 'verdict'))
    return {'day': day, 'source': source, 'kind': kind, **nothing, **more}


def day_of_source(day, source, own, look_back, usual):
    gaps, repeats, starts = [], [], []
    for session in sorted({event['session'] for event in own}):
        seen, again = {}, []
        for event in own:
            if event['session'] == session:
                if event['counter'] in seen:
                    again.append(event)
                else:
                    seen[event['counter']] = event
        counters = sorted(seen)
        for before, after in zip(counters, counters[1:]):
            if after > before + 1 and day_of(seen[after]) == day:
                gaps.append(completeness_row(
                    day, source, 'gap', source_session=session, **{'from': str(before + 1)}, to=str(after - 1),
                    count=str(after - before - 1), expected='every counter', found='none of them',
                    after_sequence=str(seen[before]['sequence']), before_sequence=str(seen[after]['sequence'])))
        ranges = []
        for event in again:
            end = ranges[-1][-1] if ranges else None
            if end and end['counter'] + 1 == event['counter'] and day_of(end) == day_of(event):
                ranges[-1].append(event)
            else:
                ranges.append([event])
        for repeated in sorted((each for each in ranges if day_of(each[0]) == day),
                               key=lambda each: (each[0]['counter'], each[0]['sequence'])):
            repeats.append(completeness_row(
                day, source, 'repeat', source_session=session, **{'from': str(repeated[0]['counter'])},
                to=str(repeated[-1]['counter']), count=str(len(repeated)), expected='each counter once',
                found='once more', before_sequence=str(repeated[0]['sequence'])))
        least = seen[counters[0]]
        if counters[0] > 1 and day_of(least) == day:
            starts.append(completeness_row(
                day, source, 'late-start', source_session=session, **{'from': str(counters[0])},
                expected='a session that begins at 0 or 1', found='begins at %d' % counters[0],
                before_sequence=str(least['sequence'])))
    silent = silences(day, source, own, look_back, usual)
    today = [event for event in own if day_of(event) == day]
    rows = gaps + repeats + starts + silent
    if not today and not rows:
        return []
    doubts = ['%s: %d' % (name, len(found)) for name, found in (('repeats', repeats), ('silences', silent)) if found]
    doubts += ['a session that begins late'] if starts else []
    if gaps:
        verdict, why = 'incomplete', 'gaps: %d' % len(gaps)
    elif doubts:
        verdict, why = 'undecided', '; '.join(doubts)
    else:
        verdict, why = 'complete', 'counters without a gap'
    return rows + [completeness_row(day, source, 'day', count=str(len(today)), found=why, verdict=verdict)]


def silences(day, source, own, look_back, usual):
    """None of the recorded days comes within a week after clocks have changed, so that hours of UTC are compared."""
    is_weekend = date.fromisoformat(day).weekday() >= 5
    compared = [each for each in (plus_days(day, -back) for back in range(1, look_back + 1))
                if (date.fromisoformat(each).weekday() >= 5) == is_weekend]
    hours_of = {}
    for event in own:
        hours_of.setdefault(day_of(event), set()).add(int(event['timestamp'][11:13]))
    needed = min(usual, max(len(compared), 2))
    had = [sum(1 for each in compared if hour in hours_of.get(each, ())) for hour in range(24)]
    silent = [hour for hour in range(24) if hour not in hours_of.get(day, ()) and had[hour] >= needed]
    rows = []
    while silent:
        hours = [silent.pop(0)]
        while silent and silent[0] == hours[-1] + 1:
            hours.append(silent.pop(0))
        def at(hour):
            return (datetime.fromisoformat(day) + timedelta(hours=hour)).strftime('%Y-%m-%dT%H:%M:%SZ')
        rows.append(completeness_row(
            day, source, 'silence', **{'from': at(hours[0])}, to=at(hours[-1] + 1), count=str(len(hours)),
            expected='events, as on at least %d of the %d days compared'
            % (min(had[hour] for hour in hours), len(compared)), found='none'))
    return rows


# --- clocks -----------------------------------------------------------------------------

RULES = (('2018-01-03', '2017/574'), ('2026-03-02', '2025/1155'))


def clock_sync(events, source):
    """No recorded event says what its clock is, so that there is one row for each rule, and one for the time before."""
    rows = []
    for rule in (None,) + tuple(name for _, name in RULES):
        own = [event for event in sorted(events, key=in_time)
               if rule == next((name for since, name in reversed(RULES) if day_of(event) >= since), None)]
        if not own:
            continue
        digits = [len(event['timestamp'].rstrip('Z').partition('.')[2]) for event in own]
        first, last = own[0], own[-1]
        rows.append({
            'source': source, 'capture_point': None, 'clock_id': None, 'clock_class': None, 'rule': rule,
            'required_digits': None, 'max_divergence_ns': None, 'verdict': 'undeclared' if rule else 'no-rule',
            'events': str(len(own)), 'events_first': str(first['sequence']), 'events_last': str(last['sequence']),
            'first_time': first['timestamp'], 'last_time': last['timestamp'],
            'digits': ' '.join('%d:%d' % (each, digits.count(each)) for each in sorted(set(digits))),
            'too_coarse': '0', 'divergence_stated': '0', 'divergence_unreadable': '0',
            'greatest_divergence_ns': None, 'diverging': '0', 'ahead': '0', 'greatest_ahead_ns': None,
            'late': str(len(own)), 'late_first': str(first['sequence']), 'late_last': str(last['sequence']),
            'corrections': '0',
        })
    return rows


# --- the questions -------------------------------------------------------------------------

MOST_REBUILT = 24


def spread(values, most):
    """So many of a list, from its beginning to its end."""
    step = max(1, -(-len(values) // most))
    return values[::step]


def questions(events, messages, source):
    follow_orders(events)
    ordered = sorted(events, key=in_time)
    whole = (in_time({'timestamp': ALL_TIME['from'], 'sequence': 0})[:2],
             in_time({'timestamp': ALL_TIME['to'], 'sequence': 0})[:2])
    yield 'mifid2-trades', ALL_TIME, trades(events, *whole)
    # from the time of one event, included, to that of another, not included
    first, last = ordered[len(ordered) // 3], ordered[2 * len(ordered) // 3]
    if in_time(first)[:2] < in_time(last)[:2]:
        part = {'from': first['timestamp'], 'to': last['timestamp']}
        yield 'mifid2-trades', part, trades(events, in_time(first)[:2], in_time(last)[:2])
    for user in sorted({user_of(event) for event in events}) + ['nobody']:
        yield 'user-activity', {**ALL_TIME, 'user_id': user}, user_activity(events, user)

    yield 'replay', ALL_TIME, replay(events)
    for name, column in (('client', 'client'), ('venue', 'venue'), ('instrument', 'instrument')):
        values = sorted({row[column] for row in replay(events) if row[column] is not None})
        if len(values) > 1:
            yield 'replay', {**ALL_TIME, name: values[-1]}, replay(events, **{column: values[-1]})

    for by, name in (('client', 'client_id'), ('venue', 'exchange'), ('instrument', 'symbol'), ('user', None),
                     ('algorithm', 'execution_decision_maker'),
                     ('investment_decision_maker', 'investment_decision_maker'), ('desk', 'desk')):
        def group_of(event):
            return known(event, name) if name else user_of(event)
        yield 'activity', {**ALL_TIME, 'by': by}, activity(events, group_of, by == 'instrument')

    by_order = {}
    for event in events:
        by_order.setdefault(event['order_id'], []).append(event)
    longest = max(by_order, key=lambda order: len(by_order[order]))
    for order in dict.fromkeys([longest] + spread(sorted(by_order), MOST_REBUILT)):
        yield 'order-reconstruction', {**ALL_TIME, 'order_id': order}, reconstruction(by_order, messages,
                                                                                     [(order, None)])
    executions = sorted({event['execution_id'] for event in events if event.get('execution_id')})
    for execution in spread(executions, 4):
        orders = sorted({event['order_id'] for event in events if event.get('execution_id') == execution})
        yield 'order-reconstruction', {**ALL_TIME, 'execution_id': execution}, reconstruction(
            by_order, messages, [(order, 'execution_id=' + execution) for order in orders], execution)

    yield 'order-records', {**ALL_TIME, 'regime': 'rts24'}, order_records(events)

    counted_events = [{**event, 'source': source, 'session': event['source_session'],
                       'counter': int(event['source_sequence'])} for event in events]
    days = {'from_date': min(map(day_of, events)), 'to_date': max(map(day_of, events))}
    yield 'completeness', days, completeness(counted_events)
    yield 'clock-sync', ALL_TIME, clock_sync(events, source)
    # nothing in any of the files says that orders were put together: no list, no allocation (tags 66, 78, 79, 80)
    yield 'aggregation-allocation', ALL_TIME, []


def read_events(folder, source, most):
    """(events, {hash: FIX message})."""
    paths, messages = [], {}
    plain_contents, plain_messages = files.contents, files.fix_messages

    def contents_noted(path):
        paths.append(path.rsplit('/', 1)[-1])
        return plain_contents(path)

    def messages_noted(data):
        for message, fields in plain_messages(data):
            messages[hashlib.sha256(message).hexdigest()] = message
            yield message, fields

    files.contents, files.fix_messages = contents_noted, messages_noted
    histories = list(files.SOURCES[source](path_of(folder, source)))
    for _, fields in messages.items():
        assert not any(tag in fields for tag in (b'\x0166=', b'\x0178=', b'\x0179=', b'\x0180='))
    return recorded(histories, paths, most), messages


def path_of(folder, source):
    return lambda name, below=source: '/'.join((folder, below, name))


def message_questions(folder, source):
    """Each message of the logs, of the session from sender to target, by its own number (tag 34)."""
    events = []

    def contents_read(path):
        for message, fields in files.fix_messages(plain(path)):
            tags = {}
            for tag, value in fields:
                tags.setdefault(tag, value)
            events.append({'source': tags['49'], 'session': tags['49'] + '>' + tags['56'], 'counter': int(tags['34']),
                           'timestamp': files.fix_time(tags['52']), 'sequence': len(events) + 1})
        return b''
    plain, files.contents = files.contents, contents_read
    list(files.SOURCES[source](path_of(folder, source)))
    days = {'from_date': min(map(day_of, events)), 'to_date': max(map(day_of, events))}
    yield 'completeness', days, completeness(events)
    wide = {'look_back_days': '10', 'usual_days': '5'}
    yield 'completeness', {**days, **wide}, completeness(events, 10, 5)


def execution_questions(folder, source):
    rows = []

    def contents_read(path):
        rows.extend(csv.DictReader(io.StringIO(plain(path).decode('ascii'))))
        return b'\n'
    plain, files.contents = files.contents, contents_read
    list(files.SOURCES[source](path_of(folder, source)))
    told = [row for row in rows if row['action'] in 'FT' and not int(row['flags']) & 32]
    answer, matched, differing, alone = [], 0, 0, {'F': 0, 'T': 0}
    side = {'A': 'sell', 'B': 'buy', 'N': None}
    for packet in dict.fromkeys(row['sequence'] for row in told):
        pair = [[row for row in told if row['sequence'] == packet and row['action'] == action] for action in 'FT']
        assert all(len(each) <= 1 for each in pair), 'a packet with several executions'
        fill, mark = (each[0] if each else None for each in pair)
        matched += bool(fill and mark)
        differs = [] if not (fill and mark) else [
            name for name, column in (('order', 'order_id'), ('instrument', 'symbol'), ('side', 'side'),
                                      ('quantity', 'size'), ('price', 'price')) if fill[column] != mark[column]
            and not (name == 'side' and 'N' in (fill[column], mark[column]))]
        if fill and mark and not differs:
            continue
        differing += bool(differs)
        if not (fill and mark):
            alone['F' if fill else 'T'] += 1
        row = {'kind': 'differs' if differs else 'only-in-source' if fill else 'only-in-other',
               'matched_by': 'execution_id' if differs else None, 'differing': ' '.join(differs) or None,
               'execution_id': packet, 'time_difference_ns': None, 'total_of': None, 'count': None}
        if differs:
            row['time_difference_ns'] = str(int(mark['ts_event']) - int(fill['ts_event']))
        for prefix, each in (('', fill), ('other_', mark)):
            row[prefix + 'order_id'] = each and each['order_id']
            row[prefix + 'instrument'] = each and each['symbol']
            row[prefix + 'side'] = each and side[each['side']]
            row[prefix + 'quantity'] = each and each['size']
            row[prefix + 'price'] = each and each['price']
            row[prefix + 'currency'] = row[prefix + 'venue'] = None
            row[prefix + 'time'] = each and files.from_1970(each['ts_event'][:-9], '.' + each['ts_event'][-9:])
            row[prefix + 'sequence'] = each and str(told.index(each) + 1)
        answer.append(row)
    answer.sort(key=lambda row: (row['time'] or row['other_time'], int(row['sequence'] or row['other_sequence'])))
    for name, count in (('matched by execution_id', matched), ('matched by venue_transaction_id', 0),
                        ('matched by order-quantity-price-time', 0), ('differs', differing),
                        ('only-in-source', alone['F']), ('only-in-other', alone['T'])):
        answer.append({'kind': 'total', 'total_of': name, 'count': str(count), 'order_id': None, 'time': None})
    yield 'drop-copy-reconciliation', {**ALL_TIME, 'source': 'book', 'other_source': 'tape'}, answer


def main():
    if len(sys.argv) != 4 or sys.argv[2] not in files.SOURCES:
        sys.exit('usage: expected_reports.py FOLDER SOURCE MOST|messages|executions, SOURCE being one of: '
                 + ', '.join(files.SOURCES))
    folder, source, what = sys.argv[1:]
    if what == 'messages':
        asked = message_questions(folder, source)
    elif what == 'executions':
        asked = execution_questions(folder, source)
    else:
        events, messages = read_events(folder, source, int(what))
        asked = questions(events, messages, source.removesuffix('-small'))
    for report, parameters, rows in asked:
        print(json.dumps({'report': report, 'parameters': parameters, 'rows': rows}))


if __name__ == '__main__':
    main()
