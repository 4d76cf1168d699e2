/** An event of an order's life, as an exception or a correction names it. */
export interface EventPlace {
  sequence: string;
  event_id: string;
}
