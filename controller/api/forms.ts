/**
 * How documents look in an answer: whole, as rows of a table, or as bare metadata; the client says which by Accept. Lists,
 * single documents and watches all go through a form, so that nothing gets out unhidden by another door.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { cell } from '../../resources/columns.ts';
import { API_VERSION, type Document } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import type { Clock } from '../clock.ts';
import { hideSecrets } from '../store/secrets.ts';
import type { Store } from '../store/types.ts';
import type { EngineAccess } from './dependencies.ts';
import { showsSecrets } from './identity.ts';
import { managedFields } from './managed-fields.ts';
import { Query } from './query.ts';
import { refuse } from './status.ts';

/** What a list says of itself. */
export interface ListMeta {
  resourceVersion: string;
  continue?: string;
  remainingItemCount?: number;
}

/** The name keeps texts of different forms apart. */
export interface Form {
  name: string;
  /** What bookmarks are called in it. */
  type: { apiVersion: string; kind: string };
  render(document: Document): unknown;
  list(metadata: ListMeta, documents: readonly Document[]): unknown;
}

/**
 * What is shown of a kind. A KindDefinition is one; a projection, which shows documents as objects of Kubernetes itself, names its
 * own apiVersion and says by `project` how they are made.
 */
export interface Shown extends Pick<KindDefinition, 'kind' | 'columns' | 'secret'> {
  apiVersion?: string;
  project?(document: Document): Document;
}

interface Asked {
  url: string;
  headers: IncomingHttpHeaders;
  /** Whose identity may be to see secrets. */
  raw?: IncomingMessage;
}

const META_GROUP = 'meta.k8s.io';
const META_VERSIONS = ['v1', 'v1beta1'];
const OFFERED = 'application/json, alone or with as=Table or as=PartialObjectMetadata';

/** Throws 406 where the client takes nothing that there is. */
export function formOf(
  { clock, store, engine }: { clock: Clock; store: Store; engine: Pick<EngineAccess, 'observedAt'> },
  definition: Shown,
  asked: Asked,
): Form {
  const query = new Query(asked.url);
  // Our own command line has no use for it, and people want to read what it prints.
  const isCli = asked.headers['x-holdfast-via'] === 'cli';
  const isPlain = isCli || definition.project !== undefined;
  const owners = isPlain ? plain : (document: Document) => managedFields(store, document);
  const fresh = (document: Document) => withObservedAt(document, engine.observedAt(document));
  const isOurs = definition.apiVersion === undefined;
  const whole = wholeForm(definition, { open: isOpen(query, asked), owners, fresh: isOurs ? fresh : plain });
  const { as, version } = negotiated(asked.headers.accept);
  if (as === 'Table') return tableForm(definition, query, whole, version, clock);
  if (as.startsWith('PartialObjectMetadata')) return metadataForm(whole, version);
  return whole;
}

const plain = (document: Document) => document;

/** A status that says nothing new is not written again; how old it is, is known in memory. */
function withObservedAt(document: Document, observedAt: string | undefined): Document {
  if (observedAt === undefined || !document.status?.conditions) return document;
  return { ...document, status: { ...document.status, observedAt } };
}

/** The first of the alternatives that there is, in the client's order. */
function negotiated(accept: string | undefined): { as: string; version: string } {
  if (accept === undefined || accept.trim() === '') return { as: '', version: '' };
  for (const alternative of accept.split(',')) {
    const [type = '', ...parameters] = alternative.split(';').map((part) => part.trim());
    if (!['application/json', 'application/*', '*/*'].includes(type.toLowerCase())) continue;
    const values = new Map(
      parameters.map((part): [string, string] => [part.split('=', 1)[0] ?? '', part.replace(/^[^=]*=?/, '')]),
    );
    const as = values.get('as') ?? '';
    const version = values.get('v') ?? 'v1';
    if (as === '') return { as, version };
    const isKnown = ['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'].includes(as);
    const isOurs = (values.get('g') ?? META_GROUP) === META_GROUP && META_VERSIONS.includes(version);
    if (isKnown && isOurs) return { as, version };
  }
  throw refuse.notAcceptable(OFFERED);
}

/** As the request says it, else as the one who asks is used to. */
function isOpen(query: Query, asked: Asked): boolean {
  return query.all('showSecrets').length > 0 ? query.flag('showSecrets') : showsSecrets(asked);
}

type Change = (document: Document) => Document;

function wholeForm(
  definition: Shown,
  { open, owners, fresh }: { open: boolean; owners: Change; fresh: Change },
): Form {
  const { kind, apiVersion = API_VERSION, project = plain } = definition;
  const hides = definition.secret && !open;
  const render = (document: Document) => project(fresh(owners(hides ? hideSecrets(document) : document)));
  return {
    name: `${apiVersion} ${open ? 'open' : 'full'}${owners === plain ? ' plain' : ''}`,
    type: { apiVersion, kind },
    render,
    list: (metadata, documents) => ({
      kind: `${kind}List`,
      apiVersion,
      metadata,
      items: documents.map(render),
    }),
  };
}

function metadataForm(whole: Form, version: string): Form {
  const type = { apiVersion: `${META_GROUP}/${version}`, kind: 'PartialObjectMetadata' };
  const render = (document: Document) => metadataOf(whole, type, document);
  return {
    name: `${whole.name} metadata ${version}`,
    type,
    render,
    list: (metadata, documents) => ({
      ...type,
      kind: 'PartialObjectMetadataList',
      metadata,
      items: documents.map(render),
    }),
  };
}

/** Through the whole form, which takes secrets out of annotations. */
function metadataOf(whole: Form, type: Form['type'], document: Document): object {
  return { ...type, metadata: (whole.render(document) as Document).metadata };
}

/** What stands in each row beside its cells. */
const INCLUDED = ['Metadata', 'Object', 'None'];

function tableForm(definition: Shown, query: Query, whole: Form, version: string, clock: Clock): Form {
  const type = { apiVersion: `${META_GROUP}/${version}`, kind: 'Table' };
  const included = query.text('includeObject') ?? 'Metadata';
  if (!INCLUDED.includes(included)) {
    throw refuse.badRequest(`includeObject is "${included}"; it can be ${INCLUDED.join(', ')}`);
  }
  const partial = { apiVersion: `${META_GROUP}/${version}`, kind: 'PartialObjectMetadata' };
  const objectOf = (document: Document) =>
    included === 'Object' ? whole.render(document) : metadataOf(whole, partial, document);
  const row = (document: Document) => ({
    cells: definition.columns.map((column) => cell(column, document, clock.now())),
    ...(included !== 'None' && { object: objectOf(document) }),
  });
  const columnDefinitions = definition.columns.map(({ name, description = '', wide }) => ({
    name,
    type: 'string',
    format: name === 'NAME' ? 'name' : '',
    description,
    priority: wide ? 1 : 0,
  }));
  const list: Form['list'] = (metadata, documents) => ({
    ...type,
    metadata,
    columnDefinitions,
    rows: documents.map(row),
  });
  return {
    name: `${whole.name} table ${version} ${included}`,
    type,
    list,
    render: (document) => list({ resourceVersion: document.metadata.resourceVersion }, [document]),
  };
}
