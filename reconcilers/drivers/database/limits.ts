/** Bounds that hold for the connections to every type of server. */

export const CONNECT_MILLISECONDS = 5_000;
/** A question that takes longer is given up; reading whole tables has a connection of its own. */
export const QUERY_MILLISECONDS = 60_000;
/** A connection that nobody used for this long is closed. */
export const IDLE_MILLISECONDS = 30_000;
/** To one server, however many Bindings ask. */
export const MOST_CONNECTIONS = 4;
/** Of these, for changes: making a database takes long, and questions do not wait for that. */
export const CHANGES_AT_ONCE = 2;
