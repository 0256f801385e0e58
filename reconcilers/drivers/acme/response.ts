/**
 * What has to be found for a challenge, from the account's key alone (RFC 8555, section 8). Pure: a web server that knows the
 * thumbprint answers every HTTP challenge of its account without being told of one.
 */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { memo } from '../../../resources/memo.ts';
import type { ChallengeType } from './index.ts';

/** Accounts are few, and asked for at every challenge. */
const KEPT = 32;

/** RFC 7638, of an EC or RSA key in PEM. */
export const thumbprint = memo(KEPT, (key): string => {
  const jwk = createPublicKey(createPrivateKey(key)).export({ format: 'jwk' });
  const { crv, e, kty, n, x, y } = jwk;
  // The members in this order, and no others, are what is hashed.
  const members = kty === 'EC' ? { crv, kty, x, y } : { e, kty, n };
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
});

export function challengeValue(type: ChallengeType, token: string, key: string): string {
  const authorization = `${token}.${thumbprint(key)}`;
  if (type === 'http-01') return authorization;
  return createHash('sha256').update(authorization).digest('base64url');
}
