/** Token: a way in to the API over HTTPS. Who has the text of it may do what its scopes say; only its hash is kept. */
import { AGE } from './columns.ts';
import type { Document } from './document.ts';
import type { TokenSpec, TokenStatus } from './generated.ts';
import type { FieldProblem, KindDefinition } from './kind.ts';
import { at, listOf } from './unknown.ts';

export type Token = Document<TokenSpec, TokenStatus>;

export const tokenKind: KindDefinition = {
  kind: 'Token',
  plural: 'tokens',
  singular: 'token',
  shortNames: ['tok'],
  schema: 'token.v1.json',
  writtenBy: 'people',
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    { name: 'USER', value: 'spec.user' },
    { name: 'SCOPES', value: (document) => (document as unknown as Token).spec.scopes.join(',') },
    { name: 'KINDS', value: (document) => (document as unknown as Token).spec.kinds?.join(',') ?? '' },
    { name: 'EXPIRES', value: 'spec.expiresAt' },
    { name: 'LAST USED', value: 'status.lastUsedAt', type: 'age' },
    AGE,
  ],
  selectable: ['spec.user'],
  check: checkToken,
};

/** An admin may make itself a token without limits, so limits on it would only look like some. */
function checkToken(manifest: { spec?: unknown }): FieldProblem[] {
  const isAdmin = listOf(at(manifest.spec, 'scopes')).includes('admin');
  const problems: FieldProblem[] = [];
  if (isAdmin && at(manifest.spec, 'kinds') !== undefined) {
    const message = 'cannot limit the scope admin; leave it out or take read or write';
    problems.push({ pointer: '/spec/kinds', message });
  }
  if (!isAdmin && at(manifest.spec, 'showSecrets') === true) {
    const message = 'takes the scope admin: only admins see secret values';
    problems.push({ pointer: '/spec/showSecrets', message });
  }
  return problems;
}
