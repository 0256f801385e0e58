/** All secret values of a simulation have this in them, so that one that leaks is seen. */
export const SECRET = 'sEcReT';

export const PRIVATE_AUTH = { username: 'holdfast', password: `${SECRET}-registry` };
