/** All secret values of a simulation have this in them, so that one that leaks is seen. */
export const SECRET = 'sEcReT';

/** Passwords that the controller makes are two ids of the virtual clock after one another. */
const GENERATED = /(?:0{8}40008000\d{12}){2}/;

export function hasSecret(text: string): boolean {
  return text.includes(SECRET) || GENERATED.test(text);
}

export const PRIVATE_AUTH = { username: 'holdfast', password: `${SECRET}-registry` };
