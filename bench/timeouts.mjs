/** Work that hangs: it still runs, and would be measured with whatever came next. */
export class TimedOut extends Error {}

/** A row that takes longer than this, and this for each event of the ledger, hangs. */
const ROW_TIMEOUT_MS = 900_000;
const ROW_TIMEOUT_MS_AN_EVENT = 1.5;

/** How long a row may take on a ledger of so many events. */
export function rowTimeoutMs(events) {
  return ROW_TIMEOUT_MS + ROW_TIMEOUT_MS_AN_EVENT * events;
}

/** What `work` gives. Throws TimedOut after so many milliseconds. */
export async function withTimeout(work, milliseconds) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new TimedOut('it did not end in time')), milliseconds);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
