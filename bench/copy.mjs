// COPY by pg alone: its client hands these messages to whatever object submitted the statement.

/** Runs `COPY … FROM STDIN` with the given chunks; resolves when the statement has ended. */
export function copyIn(client, statement, chunks) {
  return submit(client, statement, {
    handleCopyInResponse(connection) {
      for (const chunk of chunks) connection.sendCopyFromChunk(chunk);
      connection.endCopyFrom();
    },
  });
}

/** Runs `COPY … TO STDOUT` and hands each row's bytes to `onRow`. */
export function copyOut(client, statement, onRow) {
  return submit(client, statement, { handleCopyData: (message) => onRow(message.chunk) });
}

function submit(client, statement, handlers) {
  return new Promise((resolve, reject) => {
    let failure;
    client.query({
      submit: (connection) => connection.query(statement),
      handleCopyInResponse: (connection) => connection.sendCopyFail('not expected'),
      handleCopyData: () => undefined,
      handleRowDescription: () => undefined,
      handleDataRow: () => undefined,
      handleCommandComplete: () => undefined,
      handleEmptyQuery: () => undefined,
      handleError: (error) => reject((failure = error)),
      handleReadyForQuery: () => (failure ? undefined : resolve()),
      callback: (error) => error && reject(error),
      ...handlers,
    });
  });
}

/** Values as a line of COPY's text format. Buffers are bytea. */
export function copyLine(values) {
  return values.map(copyField).join('\t') + '\n';
}

const SPECIAL = /[\\\t\n\r]/g;
const ESCAPES = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function copyField(value) {
  if (value === null) return '\\N';
  if (Buffer.isBuffer(value)) return `\\\\x${value.toString('hex')}`;
  return String(value).replace(SPECIAL, (character) => ESCAPES[character]);
}
