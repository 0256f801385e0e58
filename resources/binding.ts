/** Binding: one App's account in one Addon. Written by the reconciler of the App, which owns it; its password is in a Secret of its own. */
import { AGE, MESSAGE, READY, STATUS } from './columns.ts';
import { ANNOTATION, type Document } from './document.ts';
import type { BindingSpec, BindingStatus } from './generated.ts';
import type { KindDefinition } from './kind.ts';
import { boundedName } from './names.ts';

export type Binding = Document<BindingSpec, BindingStatus>;

export const BINDING_FINALIZER = 'holdfast.dev/binding';

export const bindingKind: KindDefinition = {
  kind: 'Binding',
  plural: 'bindings',
  singular: 'binding',
  shortNames: ['bind'],
  schema: 'binding.v1.json',
  writtenBy: 'reconcilers',
  finalizers: [BINDING_FINALIZER],
  requests: [ANNOTATION.rotatedAt],
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    READY,
    STATUS,
    { name: 'APP', value: 'spec.app' },
    { name: 'ADDON', value: 'spec.addon' },
    { name: 'DATABASE', value: (document) => database(document) },
    { name: 'USER', value: 'status.account.username', wide: true },
    { name: 'ADDRESS', value: 'status.address', wide: true },
    MESSAGE,
    AGE,
  ],
  selectable: ['spec.app', 'spec.addon', 'spec.type'],
};

/** Where it is to have its account, and where it has or had it until that is locked. */
export function addonsOf({ spec, status }: Document): string[] {
  const { addon, previous = [] } = (status ?? {}) as BindingStatus;
  const before = [addon, ...previous.map((one) => one.addon)].filter((name) => name !== undefined);
  return [...new Set([String(spec['addon']), ...before])];
}

function database(document: Document): string {
  const account = (document as unknown as Binding).status?.account;
  return account?.database ?? (account?.prefix === undefined ? '' : `${account.prefix}*`);
}

/** wiki-postgresql. Types have no dash, so that no two pairs give the same name. */
export function bindingName(app: string, type: string): string {
  return boundedName(`${app}-${type}`);
}

/** The Secret that holds the password of a Binding. */
export function bindingSecretName(binding: string): string {
  return boundedName(`binding-${binding}`);
}
