/** Tells two generated passwords apart, and nothing of them: they are too long to be guessed. Pure; the answers must never change. */
import { createHash } from 'node:crypto';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

export function credentialDigest(password: string): string {
  return digestOfHash(sha256(password));
}

/** The same of a password whose SHA-256 in hex is all that is known. */
export function digestOfHash(hash: string): string {
  return sha256(`holdfast credential ${hash}`).slice(0, 32);
}
