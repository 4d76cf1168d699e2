/** Members of an event, the i-th, by which each column of its row has a value. */
export function eventOfEveryColumn(i: number): Record<string, unknown> {
  return {
    timestamp: '2026-06-02T08:15:30.123456000Z',
    previous_state: { price: '585.00' },
    new_state: { price: '585.33', exact: 9007199254740992, one: 1, tenth: 0.1 },
    source: 'oms-1',
    source_session: 'day-1',
    source_sequence: String(i + 1),
    corrects: '0197f3a1-0000-7000-8000-00000000c0de',
    raw: { media_type: 'application/fix', data: 'OD1GSVguNC40' },
  };
}

/** For each column of such an event's row another value, in SQL. */
export const COLUMN_CHANGES: Record<string, string> = {
  ledger: `'main'`,
  sequence: '1000',
  recorded_at: `recorded_at + interval '1 microsecond'`,
  timestamp: `"timestamp" + interval '1 second'`,
  event_id: `'0197f3a1-0000-7000-8000-0000000000ff'`,
  corrects: 'NULL',
  timestamp_nanos: '1',
  timestamp_digits: '6',
  event_type: `'other'`,
  entity_type: `'other'`,
  entity_id: `'other'`,
  action: `'other'`,
  user_id: `'other'`,
  previous_state: 'NULL',
  new_state: `jsonb_set(new_state, '{price}', '"585.34"')`,
  metadata: `metadata || '{"client_id": "C-78"}'`,
  source: `'oms-2'`,
  source_session: `'day-2'`,
  source_sequence: 'source_sequence + 1',
  raw_media_type: `'text/plain'`,
  raw_data: `raw_data || '\\x00'`,
  recorded_by: `'service'`,
  salt: `set_byte(salt, 0, get_byte(salt, 0) # 1)`,
  content_hash: `set_byte(content_hash, 31, get_byte(content_hash, 31) # 1)`,
  previous_event_hash: `set_byte(previous_event_hash, 0, get_byte(previous_event_hash, 0) # 128)`,
  event_hash: `set_byte(event_hash, 0, get_byte(event_hash, 0) # 128)`,
};
