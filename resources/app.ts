/**
 * App: a container, its data folder, its ports and its site. What a schema cannot say of it is checked here: one field
 * against another. Its effective form is in effective.ts.
 */
import { checkApp } from './app-checks.ts';
import { AGE, MESSAGE, READY, STATUS } from './columns.ts';
import type { Document, Reference } from './document.ts';
import type { AppSpec, AppStatus } from './generated.ts';
import type { KindDefinition } from './kind.ts';
import { at, listOf } from './unknown.ts';

export type App = Document<AppSpec, AppStatus>;

export const APP_FINALIZER = 'holdfast.dev/app';

export const appKind: KindDefinition = {
  kind: 'App',
  plural: 'apps',
  singular: 'app',
  shortNames: ['a'],
  schema: 'app.v1.json',
  writtenBy: 'people',
  finalizers: [APP_FINALIZER],
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    READY,
    STATUS,
    { name: 'URL', value: 'status.url', description: 'Where it answers.' },
    { name: 'IMAGE', value: (document) => image(document), description: 'The image that is wanted.' },
    { name: 'ADDRESS', value: 'status.address', wide: true },
    { name: 'CONTAINER', value: 'status.container.name', wide: true },
    { name: 'RESTARTS', value: 'status.container.restarts', wide: true },
    MESSAGE,
    AGE,
  ],
  selectable: ['spec.domain', 'spec.location', 'spec.state', 'spec.image'],
  references: (document) => [...domainOf(document), ...secretsOf(document)],
  check: checkApp,
};

function image(document: Document): string {
  const { spec } = document as unknown as App;
  return spec.image ?? spec.manifest?.dockerImage ?? '';
}

function domainOf(document: Document): Reference[] {
  const domain = at(document.spec, 'domain');
  return typeof domain === 'string' && domain !== 'localhost' ? [{ kind: 'Domain', name: domain }] : [];
}

/** The Secrets that it takes variables and registry credentials from. */
function secretsOf(document: Document): Reference[] {
  const names = new Set<string>();
  const add = (name: unknown) => typeof name === 'string' && names.add(name);
  add(at(document.spec, 'imagePullSecret'));
  for (const entry of listOf(at(document.spec, 'env'))) add(at(entry, 'valueFrom', 'secretKeyRef', 'name'));
  return [...names].map((name) => ({ kind: 'Secret', name }));
}
