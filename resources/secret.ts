/** Secret: values that only those who need them see. The store encrypts it and hides the values in what it shows. */
import { AGE } from './columns.ts';
import { type Document, HIDDEN } from './document.ts';
import type { SecretSpec, SecretStatus } from './generated.ts';
import type { FieldProblem, KindDefinition } from './kind.ts';
import { at, entriesOf } from './unknown.ts';

export type Secret = Document<SecretSpec, SecretStatus>;

export const secretKind: KindDefinition = {
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  shortNames: ['sec'],
  schema: 'secret.v1.json',
  writtenBy: 'people',
  secret: true,
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    { name: 'TYPE', value: (document) => (document as unknown as Secret).spec.type ?? 'Opaque' },
    { name: 'KEYS', value: (document) => keys(document).length.toString() },
    { name: 'KEY NAMES', value: (document) => keys(document).join(','), wide: true },
    AGE,
  ],
  selectable: ['spec.type'],
  check: checkSecret,
};

function keys(document: Document): string[] {
  const { data, stringData } = (document as unknown as Secret).spec;
  return [...new Set([...Object.keys(data ?? {}), ...Object.keys(stringData ?? {})])].sort();
}

function checkSecret(manifest: { spec?: unknown }): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const [key, value] of entriesOf(at(manifest.spec, 'data'))) {
    if (typeof value !== 'string' || value === HIDDEN || isBase64(value)) continue;
    problems.push({
      pointer: `/spec/data/${key}`,
      message: 'must be base64; plain text belongs under stringData',
    });
  }
  if (at(manifest.spec, 'type') === 'RegistryCredentials') problems.push(...checkCredentials(manifest.spec));
  return problems;
}

function checkCredentials(spec: unknown): FieldProblem[] {
  const given = new Set(
    [...entriesOf(at(spec, 'stringData')), ...entriesOf(at(spec, 'data'))].map(([key]) => key),
  );
  const missing = ['username', 'password'].filter((key) => !given.has(key));
  if (missing.length === 0) return [];
  const message = `must hold ${missing.join(' and ')}: RegistryCredentials are a username and a password`;
  return [{ pointer: '/spec/stringData', message }];
}

function isBase64(value: string): boolean {
  const text = value.replace(/[\r\n]/g, '');
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0;
}
