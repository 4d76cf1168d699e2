/** Nest's token for the pg.Pool below the DataSource. */
export const POOL = Symbol('pg.Pool');
/** Nest's token for the URL of the service's database, wherever it came from. */
export const DATABASE_URL = Symbol('DATABASE_URL');
