/**
 * Encryption at rest of secret kinds: AES-256-GCM under the store's key, a random 96-bit nonce for each text, and as
 * associated data the place where the text lies, so that one row's content put into another row does not open.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

/** Where a text lies: table, kind, uid. */
export type Place = readonly [table: string, kind: string, uid: string];

export interface Seal {
  close(place: Place, text: string): Buffer;
  /** Throws when the key or the place is another one, or the bytes were changed. */
  open(place: Place, sealed: Uint8Array): string;
}

export function sealWith(key: Uint8Array): Seal {
  return {
    close(place, text) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(placeBytes(place));
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([Buffer.of(FORMAT), nonce, cipher.getAuthTag(), body]);
    },
    open(place, sealed) {
      if (sealed.length < HEADER_BYTES || sealed[0] !== FORMAT) throw new Error('not a sealed text');
      const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(placeBytes(place)).setAuthTag(sealed.subarray(1 + NONCE_BYTES, HEADER_BYTES));
      return decipher.update(sealed.subarray(HEADER_BYTES), undefined, 'utf8') + decipher.final('utf8');
    },
  };
}

function placeBytes(place: Place): Buffer {
  return Buffer.from(place.join('\0'));
}
