/** Values of `client_id_type` of what is for several clients: one like the other. */
export const OF_SEVERAL: readonly string[] = ['aggregated', 'pending_allocation'];

/** Values of `client_id_type` with which there is a `client_id`. */
export const OF_ONE_CLIENT: readonly string[] = ['legal_entity', 'natural_person'];

/** Values of `client_id_type` with which there is no `client_id`. */
export const WITHOUT_CLIENT_ID: readonly string[] = ['none', ...OF_SEVERAL];
