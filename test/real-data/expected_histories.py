#!/usr/bin/env python3
"""What the order histories must say, read from the source files as plainly as possible.

    expected_histories.py FOLDER SOURCE

FOLDER holds the data (each source in a folder of its own), or is the folder of the samples. Prints one line of JSON
per order, in the order in which the orders first appear: {"entity_id": ..., "events": [...]}, the events in file order.

This is the other side of a comparison. It shares nothing with the converters but the READMEs of the data and the
naming of the entities: it reads whole files, goes order by order where they go row by row, looks ahead where they keep
state, and takes FIX messages apart field by field where they search for patterns. A member that is null must be absent
from the recorded event; a member that is not there is not compared. Python's standard library is all it needs.
"""
import csv
import gzip
import hashlib
import io
import json
import os
import re
import sys
from datetime import datetime, timedelta
from decimal import Decimal


def contents(path):
    with open(path, 'rb') as file:
        data = file.read()
    return gzip.decompress(data) if path.endswith('.gz') else data


def text_lines(path):
    return contents(path).decode('ascii').splitlines()


def iso(moment, fraction):
    return moment.strftime('%Y-%m-%dT%H:%M:%S') + fraction + 'Z'


def from_1970(seconds, fraction=''):
    return iso(datetime(1970, 1, 1) + timedelta(seconds=int(seconds)), fraction)


# --- LOBSTER -----------------------------------------------------------------

def lobster(path, symbol, exchange, midnight_utc):
    """midnight_utc: when the trading day begins at the exchange, in UTC."""
    rows_of = {}
    counter = 0
    for line in text_lines(path):
        if not line:
            continue
        time, kind, order_id, size, price, direction = line.split(',')
        if kind == '5':
            continue
        counter += 1
        rows_of.setdefault(order_id, []).append((counter, time, kind, int(size), int(price), direction))

    for order_id, rows in rows_of.items():
        # an order entered before the file begins had open what all its rows take away
        is_new = rows[0][2] == '1'
        open_now = None if is_new else sum(row[3] for row in rows)
        events = []
        for counter, time, kind, size, price, direction in rows:
            seconds, _, fraction = time.partition('.')
            before = open_now
            open_now = size if kind == '1' else open_now - size
            if kind == '1':
                action, quantity = 'create', size
            elif kind == '2':
                action, quantity = 'modify', open_now
            elif kind == '3':
                action, quantity = 'cancel', size
            elif kind == '4':
                action, quantity = ('partial_fill' if open_now > 0 else 'fill'), size
            events.append({
                'action': action,
                'timestamp': iso(midnight_utc + timedelta(seconds=int(seconds)), '.' + (fraction + '000000000')[:9]),
                'symbol': symbol,
                'side': {'1': 'buy', '-1': 'sell'}[direction],
                'quantity': str(quantity),
                'price': '%d.%04d' % (price // 10000, price % 10000),
                'exchange': exchange,
                'remaining_quantity': str(open_now),
                'open_before': None if before is None else str(before),
                'source_session': os.path.basename(path),
                'source_sequence': str(counter),
                'raw_sha256': None,
            })
        # the day at the exchange, which never is the day before in UTC for the exchanges used here
        day = midnight_utc.strftime('%Y-%m-%d')
        yield '%s:%s:%s' % (exchange, day, order_id), events


# --- Bitstamp ----------------------------------------------------------------

def bitstamp(path, symbol, exchange):
    rows_of = {}
    counter = 0
    for line in text_lines(path):
        received, kind, rest = line.split(' ', 2)
        if kind in ('trade', 'order_book'):
            continue
        counter += 1
        fields = json.loads(rest)
        rows_of.setdefault(fields['id'], []).append((counter, received, kind, fields))

    for order_id, rows in rows_of.items():
        amount_before, price_before = None, None
        events = []
        for counter, received, kind, fields in rows:
            amount, price = Decimal(fields['amount']), fields['price']
            left = amount
            if kind == 'order_created':
                action, quantity = 'create', amount
            elif kind == 'order_changed':
                if amount_before is not None and Decimal(price) == Decimal(price_before) and amount < amount_before:
                    action, quantity = 'partial_fill', amount_before - amount
                else:
                    action, quantity = 'modify', amount
            elif kind == 'order_deleted' and amount > 0:
                action, quantity, left = 'cancel', amount, Decimal('0.00000000')
            elif kind == 'order_deleted':
                # how much was filled can be told only of an order that was seen before
                action, quantity = 'fill', None if amount_before is None else amount_before
            events.append({
                'action': action,
                'timestamp': from_1970(received[:-3], '.' + received[-3:]),
                'symbol': symbol,
                'side': ('buy', 'sell')[fields['order_type']],
                'quantity': None if quantity is None else format(quantity, 'f'),
                'price': price,
                'exchange': exchange,
                'remaining_quantity': format(left, 'f'),
                'open_before': None if amount_before is None or action == 'create' else format(amount_before, 'f'),
                'order_entry_time': from_1970(fields['datetime']),
                'source_session': os.path.basename(path),
                'source_sequence': str(counter),
                'raw_sha256': None,
            })
            amount_before, price_before = left, price
        yield '%s:%d' % (exchange, order_id), events


# --- Databento ---------------------------------------------------------------

def databento(path, exchange):
    rows = list(csv.DictReader(io.StringIO(contents(path).decode('ascii'))))
    histories = {}
    open_now = {}
    only_bookings = set()
    counter = 0
    for number, row in enumerate(rows):
        order_id, kind, size = row['order_id'], row['action'], row['size']
        if kind == 'R':
            open_now = {}
            continue
        if int(row['flags']) & 32:
            open_now[order_id] = size
            continue
        if kind == 'T':
            continue
        if number in only_bookings:
            continue

        before = open_now.get(order_id)
        left = size
        if kind == 'A':
            action, quantity, before = 'create', size, None
        elif kind == 'M':
            action, quantity = 'modify', size
        elif kind == 'C':
            action, quantity, left = 'cancel', size, '0'
        elif kind == 'F':
            # the row that books this execution says what is left: M what stays open, C that nothing does
            booking = next(later for later in range(number + 1, len(rows))
                           if rows[later]['order_id'] == order_id and rows[later]['action'] in 'MC'
                           and rows[later]['ts_event'] == row['ts_event'])
            only_bookings.add(booking)
            left = rows[booking]['size'] if rows[booking]['action'] == 'M' else '0'
            action, quantity = ('partial_fill' if left != '0' else 'fill'), size
        open_now[order_id] = left
        if left == '0':
            del open_now[order_id]

        counter += 1
        histories.setdefault('%s:%s:%s' % (exchange, row['symbol'], order_id), []).append({
            'action': action,
            'timestamp': from_1970(row['ts_event'][:-9], '.' + row['ts_event'][-9:]),
            'symbol': row['symbol'],
            'side': {'B': 'buy', 'A': 'sell'}[row['side']],
            'quantity': quantity,
            'price': row['price'],
            'exchange': exchange,
            'remaining_quantity': left,
            'open_before': before,
            'source_session': os.path.basename(path),
            'source_sequence': str(counter),
            'raw_sha256': None,
        })
    yield from histories.items()


# --- FIX ---------------------------------------------------------------------

def fix_messages(data):
    """(bytes, [(tag, value), ...]) of each whole message. Line breaks belong to the log, not to the messages."""
    data = data.replace(b'\r', b'').replace(b'\n', b'')
    position = data.find(b'8=FIX')
    while position >= 0:
        found = one_message(data, position)
        if found:
            end, fields = found
            yield data[position:end], fields
            position = data.find(b'8=FIX', end)
        else:
            position = data.find(b'8=FIX', position + 1)


def one_message(data, start):
    version = re.compile(rb'8=FIXT?\.[0-9]\.[0-9]([\x01|])').match(data, start)
    if not version:
        return None
    delimiter = version.group(1)
    fields = []
    position = start
    while True:
        equals = data.find(b'=', position)
        tag = data[position:equals].decode('latin-1')
        if equals < 0 or not tag.isdigit():
            return None
        if len(fields) == 1 and tag != '9' or len(fields) > 1 and tag in ('8', '9'):
            return None  # cut off: what follows is another message
        stop = data.find(delimiter, equals + 1)
        if tag == '10':
            if stop >= 0 and data[equals + 1:stop].isdigit() and stop - equals <= 4:
                return stop + 1, fields
            if data[equals + 1:equals + 4].isdigit():
                return equals + 4, fields  # the last delimiter is missing
        if stop < 0:
            return None
        value = data[equals + 1:stop]
        try:
            fields.append((tag, value.decode('utf-8')))
        except UnicodeDecodeError:
            fields.append((tag, value.decode('latin-1')))
        position = stop + 1


def fix_time(value):
    date, time = value.split('-')
    whole, point, fraction = time.partition('.')
    return '%s-%s-%sT%s%s%sZ' % (date[:4], date[4:6], date[6:8], whole, point, fraction[:9])


def parties(fields):
    """{role: (id, qualifier)} of the group 453; each of its entries begins with a 448."""
    found = {}
    entry = None
    for tag, value in fields:
        if tag == '448':
            entry = {'448': value}
        elif entry is not None and tag in ('447', '452', '2376'):
            entry[tag] = value
            found[entry.get('452')] = (entry['448'], entry.get('2376'))
    return found


ROLES = {'3': 'client_id', '122': 'investment_decision_maker', '12': 'execution_decision_maker'}
QUALIFIERS = {'22': 'algorithm', '23': 'legal_entity', '24': 'natural_person'}


def people_of(fields, tags):
    people = {}
    if '1' in tags:
        people['account'] = tags['1']
    if '109' in tags:
        people['client_id'] = tags['109']
    for role, (name, qualifier) in parties(fields).items():
        if role in ROLES:
            people[ROLES[role]] = name
            people[ROLES[role] + '_type'] = QUALIFIERS.get(qualifier)
    return people


def fix(paths, unique_within):
    """unique_within: 'day' or 'logon', see the README beside this file on the names of orders."""
    orders = []
    for path in paths:
        fix_log(path, unique_within, orders)
    merged = {}
    for order in orders:  # logs of one source may tell of the same order
        merged.setdefault(order['entity_id'], []).extend(order['events'])
    yield from merged.items()


def fix_log(path, unique_within, orders):
    of_this_log = []
    logons = {}
    counter = 0

    def order_of(tags):
        def newest(fits):
            for order in reversed(of_this_log):
                if order['firms'] == {tags['49'], tags['56']} and fits(order):
                    return order
            return None
        eleven, forty_one = tags.get('11'), tags.get('41')
        return (newest(lambda order: forty_one is not None and order['ids'][0] == (eleven, forty_one))
                or newest(lambda order: forty_one is not None and forty_one in order['aliases'])
                or newest(lambda order: eleven is not None and eleven in order['aliases']))

    def new_order(tags, fields, firm, other, name, forty_one):
        if unique_within == 'day':
            period = tags['52'][:8]
        else:
            period = 'logon-%d' % logons.get((firm, other), 0)
        order = {
            'entity_id': ':'.join([firm + '>' + other, period, name] + ([forty_one] if forty_one else [])),
            'firms': {firm, other},
            'ids': [(name, forty_one)],
            'aliases': {name},
            'symbol': tags.get('55'), 'side': None, 'short_sale': None,
            'currency': tags.get('15'), 'maturity': tags.get('200'),
            'quantity': tags.get('38'), 'price': tags.get('44'), 'open': None,
            'exchange': tags.get('207') or tags.get('100') or other,
            'people': {'client_id': firm, **people_of(fields, tags)},
            'events': [],
        }
        of_this_log.append(order)
        orders.append(order)
        return order

    for message, fields in fix_messages(contents(path)):
        tags = {}
        for tag, value in fields:
            if value:
                tags.setdefault(tag, value)
        kind = tags['35']

        if kind == 'A':
            logons[(tags['49'], tags['56'])] = logons.get((tags['49'], tags['56']), 0) + 1
            continue

        report = tags.get('150') or tags.get('39')
        if kind == 'D':
            action = 'create'
        elif kind == '8' and tags.get('20', '0') == '0' and report in ('1', '2', 'F', '4', 'C', '5', '8'):
            action = {'1': 'partial_fill', '2': 'fill', '4': 'cancel', 'C': 'cancel', '5': 'modify', '8': 'reject',
                      'F': 'fill' if tags.get('39') == '2' else 'partial_fill'}[report]
        else:
            continue
        counter += 1

        if action == 'create':
            order = new_order(tags, fields, tags['49'], tags['56'], tags['11'], tags.get('41'))
            order['open'] = tags.get('38')
            before = None
        else:
            order = order_of(tags)
            if order is None:  # its beginning is not in the log
                order = new_order(tags, fields, tags['56'], tags['49'], tags.get('41') or tags['11'], None)
                if '11' in tags:
                    order['aliases'].add(tags['11'])
                before = None
            else:
                before = order['open']

        if '54' in tags:
            order['side'] = {'1': 'buy', '2': 'sell', '5': 'sell', '6': 'sell'}[tags['54']]
            if tags['54'] in '56':
                order['short_sale'] = {'5': 'not_exempt', '6': 'exempt'}[tags['54']]
        quantity, price, exchange = order['quantity'], order['price'], order['exchange']
        if action in ('partial_fill', 'fill'):
            quantity, price = tags['32'], tags.get('31')
            exchange = tags.get('30') or tags.get('207') or exchange
            order['open'] = tags.get('151') or format(Decimal(before) - Decimal(quantity), 'f')
        elif action == 'modify':
            order['quantity'] = quantity = tags.get('38') or quantity
            order['price'] = price = tags.get('44') or price
            order['open'] = tags.get('151') or format(Decimal(quantity) - Decimal(tags.get('14', '0')), 'f')
            order['aliases'].add(tags['11'])
        elif action in ('cancel', 'reject'):
            order['quantity'] = quantity = tags.get('38') or quantity
            order['price'] = price = tags.get('44') or price
            order['open'] = tags.get('151') or '0'

        people = dict(order['people'])
        for name, value in people_of(fields, tags).items():
            people[name] = value
        for role in ROLES.values():
            people.setdefault(role)
            people.setdefault(role + '_type')
        people.setdefault('account')

        event = {
            'action': action,
            'timestamp': fix_time(tags.get('60') or tags['52']),
            'user_id': tags.get('50') or tags['49'],
            'symbol': tags.get('55') or order['symbol'],
            'side': order['side'],
            'short_sale': order['short_sale'],
            'quantity': quantity,
            'price': price,
            'exchange': exchange,
            'currency': tags.get('15') or order['currency'],
            'maturity': tags.get('200') or order['maturity'],
            'remaining_quantity': order['open'],
            'open_before': before,
            **people,
            'client_order_id': tags.get('11'),
            'parent_client_order_id': tags.get('8011'),
            'venue_order_id': tags.get('37'),
            'execution_id': tags.get('17'),
            'source_session': os.path.basename(path),
            'source_sequence': str(counter),
            'raw_sha256': hashlib.sha256(message).hexdigest(),
        }
        time_of = {'create': 'order_entry_time', 'partial_fill': 'execution_time', 'fill': 'execution_time',
                   'modify': 'modification_time'}.get(action)
        if time_of:
            event[time_of] = fix_time(tags['60']) if '60' in tags else None
        if action in ('modify', 'cancel', 'reject') and '58' in tags:
            event['reason'] = tags['58']
        order['events'].append(event)


# --- the sources ----------------------------------------------------------------

SOURCES = {
    'lobster-aapl-2012-06-21': lambda path: lobster(
        path('AAPL_2012-06-21_34200000_37800000_message_50.csv.gz'), 'AAPL', 'XNAS', datetime(2012, 6, 21, 4)),
    'bitstamp-btcusd-2015-05-01': lambda path: bitstamp(path('2015-05-01.log.gz'), 'BTC/USD', 'BITSTAMP'),
    'databento-esm4-2024-05-08': lambda path: databento(path('esm4-glbx-mdp3-20240508.mbo.csv.gz'), 'XCME'),
    'fix-kod-bon-2018-02-23': lambda path: fix([path('FIX.4.2-KOD-BON.messages.current.log.gz')], 'day'),
    'fix-client-tw-2004': lambda path: fix([path('tmp.log')], 'logon'),
    'fix-client-tw-2004-small': lambda path: fix([path('small.log', 'fix-client-tw-2004')], 'logon'),
    'fix-routing-2015': lambda path: fix([path('100FIX42.dat')], 'day'),
    'fix-coytrade-2006': lambda path: fix([path('FIX42-CoyTrade-BCExchange-%s.log' % ending) for ending in (
        'SenderMessagePerLine', 'TargetMessagePerLine', 'SenderMessagePerLineMixedWithOtherText',
        'MessagesSplitBetweenMultipleLines', 'SenderAndTargetInSameLogFile', 'PipeDelimeter')], 'day'),
    'sample-lobster': lambda path: lobster(path('lobster.csv', '.'), 'MADE', 'XMAD', datetime(2024, 3, 15, 4)),
    'sample-bitstamp': lambda path: bitstamp(path('bitstamp.txt', '.'), 'MDE/EUR', 'MADEUP'),
    'sample-databento': lambda path: databento(path('databento.csv', '.'), 'XMAD'),
    'sample-fix44-parties': lambda path: fix([path('fix44-parties.txt', '.')], 'day'),
    'sample-fix42-sessions': lambda path: fix([path('fix42-sessions.txt', '.')], 'logon'),
}


def main():
    if len(sys.argv) != 3 or sys.argv[2] not in SOURCES:
        sys.exit('usage: expected_histories.py FOLDER SOURCE, SOURCE being one of: ' + ', '.join(SOURCES))
    folder, source = sys.argv[1:]
    for entity_id, events in SOURCES[source](lambda name, below=source: os.path.join(folder, below, name)):
        print(json.dumps({'entity_id': entity_id, 'events': events}))


if __name__ == '__main__':
    main()
