/** Addon: a server that Apps share, such as a database. Made by hand, or by the first App that needs one. */
import { addonsOf } from './binding.ts';
import { AGE, MESSAGE, READY, STATUS } from './columns.ts';
import type { Document, Reference } from './document.ts';
import type { AddonSpec, AddonStatus } from './generated.ts';
import { imageProblem } from './image.ts';
import type { FieldProblem, KindDefinition } from './kind.ts';
import { memoryProblem } from './memory.ts';
import { at } from './unknown.ts';

export type Addon = Document<AddonSpec, AddonStatus>;

export const ADDON_FINALIZER = 'holdfast.dev/addon';

export const addonKind: KindDefinition = {
  kind: 'Addon',
  plural: 'addons',
  singular: 'addon',
  shortNames: ['ad'],
  schema: 'addon.v1.json',
  writtenBy: 'people',
  finalizers: [ADDON_FINALIZER],
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    READY,
    STATUS,
    { name: 'TYPE', value: 'spec.type' },
    { name: 'VERSION', value: 'status.version', description: 'What the server says of itself.' },
    {
      name: 'BINDINGS',
      value: (document) => String((document as unknown as Addon).status?.bindings?.length ?? 0),
      description: 'How many accounts it serves.',
    },
    { name: 'ADDRESS', value: 'status.address', wide: true },
    { name: 'IMAGE', value: 'status.image.ref', wide: true },
    { name: 'DATA', value: 'status.data.folder', wide: true },
    MESSAGE,
    AGE,
  ],
  selectable: ['spec.type', 'spec.version'],
  references: secretOf,
  usedBy: {
    kind: 'Binding',
    names: addonsOf,
    remedy: 'remove these Apps, or let them name another Addon and wait until they have moved to it',
  },
  check: checkAddon,
};

function secretOf(document: Document): Reference[] {
  const name = at(document.spec, 'imagePullSecret');
  return typeof name === 'string' ? [{ kind: 'Secret', name }] : [];
}

function checkAddon(manifest: { spec?: unknown }): FieldProblem[] {
  const { spec } = manifest;
  return [
    ...imageProblem('/spec/image', at(spec, 'image')),
    ...memoryProblem('/spec/memory', at(spec, 'memory')),
  ];
}
