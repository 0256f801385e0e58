/** Names made from names. Pure; the answers must never change, or what they name would be lost from sight. */
import { createHash } from 'node:crypto';

const LONGEST = 63;
const HASH = 8;

/** A name of a document that is made from another: as it is, or where it would be too long, cut and with its hash at the end. */
export function boundedName(name: string): string {
  if (name.length <= LONGEST) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH);
  return `${name.slice(0, LONGEST - HASH - 1)}-${hash}`;
}

/** MySQL takes user names of 32 letters, and nobody takes less. */
const LONGEST_ACCOUNT = 32;

/**
 * The account of an App in a database server: `app_my_wiki`. Names of Apps have no underscore, so that no two give the same. Where it
 * would be too long it is cut, and then begins with two underscores, which no short one does.
 */
export function accountName(app: string): string {
  const plain = `app_${app.replaceAll('-', '_')}`;
  if (plain.length <= LONGEST_ACCOUNT) return plain;
  const hash = createHash('sha256').update(app).digest('hex').slice(0, 12);
  const head = `app__${app.replaceAll('-', '_')}`.slice(0, LONGEST_ACCOUNT - hash.length - 1);
  return `${head}_${hash}`;
}

/** Begins the names of all databases of an App that makes its own. No account of another App begins with it. */
export function accountPrefix(app: string): string {
  return `dbs_${createHash('sha256').update(app).digest('hex').slice(0, 16)}_`;
}
