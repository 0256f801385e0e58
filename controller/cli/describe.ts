/** `holdfast describe`: one document for a person: what is wanted, what was seen, what belongs to it, what happened. */

import { duration } from '../../resources/columns.ts';
import type { Condition, Document } from '../../resources/document.ts';
import { eventsOf } from './event-list.ts';
import { childrenOf, type Family, readFamily } from './family.ts';
import { toYaml } from './output.ts';
import { parseTargets, referenceText } from './references.ts';
import { indent, oneLine, painter, table, visible } from './terminal.ts';
import { type CliContext, CliError, flagOption, type VerbDefinition } from './verb.ts';
import { stateWords } from './waiting.ts';

export const command: VerbDefinition = {
  name: 'describe',
  summary: 'show everything about a document, for a person',
  arguments: [
    { name: 'ref', description: 'such as app/wiki', required: true, variadic: true, complete: 'reference' },
  ],
  options: [{ flags: '--show-secrets', description: 'show the values of Secrets' }],
  async run(context, args, options) {
    const query = { showSecrets: flagOption(options, 'showSecrets') };
    const documents: Document[] = [];
    for (const { kind, name } of parseTargets(args)) {
      if (name === undefined) documents.push(...(await context.client.list(kind.kind, query)).items);
      else documents.push(await context.client.get({ kind: kind.kind, name }, query));
    }
    if (documents.length === 0) throw new CliError('there is nothing to describe');
    const family = await readFamily(context);
    const texts: string[] = [];
    for (const document of documents) texts.push(await describe(context, document, family));
    context.stdout.write(texts.join('\n'));
    return 0;
  },
};

async function describe(context: CliContext, document: Document, family: Family): Promise<string> {
  const sections = [
    head(context, document),
    section('Spec', await toYaml([document.spec])),
    section('Conditions', conditions(context, document)),
    section('Seen', await observed(document)),
    section('Children', childLines(document, family)),
    section('Events', await events(context, document)),
  ];
  return sections.filter((text) => text !== '').join('\n');
}

function section(title: string, text: string): string {
  return text === '' ? '' : `${title}:\n${visible(indent(text, 2))}`;
}

function head(context: CliContext, document: Document): string {
  const { metadata } = document;
  const since = (time: string) => `${time} (${duration(context.now() - Date.parse(time))} ago)`;
  const pairs = (map: Record<string, string> = {}) =>
    Object.entries(map)
      .map(([key, value]) => oneLine(`${key}=${value}`))
      .join(', ');
  const rows: [string, string | undefined][] = [
    ['Name', metadata.name],
    ['Kind', document.kind],
    ['Labels', pairs(metadata.labels)],
    ['Annotations', pairs(metadata.annotations)],
    ['Created', since(metadata.creationTimestamp)],
    [
      'Deleting',
      metadata.deletionTimestamp === undefined ? undefined : `since ${since(metadata.deletionTimestamp)}`,
    ],
    ['Generation', `${metadata.generation}, seen ${document.status?.observedGeneration ?? 'none'}`],
    ['Looked at', document.status?.observedAt === undefined ? undefined : since(document.status.observedAt)],
    ['Owned by', metadata.ownerReferences?.map(referenceText).join(', ')],
    ['Running now', document.status?.operation === undefined ? undefined : stateWords(document)],
  ];
  return rows
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${`${name}:`.padEnd(13)} ${value}\n`)
    .join('');
}

function conditions(context: CliContext, document: Document): string {
  const found = document.status?.conditions ?? [];
  if (found.length === 0) return '';
  const paint = painter(context, context.stdout);
  return found
    .map(
      (entry) =>
        `${paint(isGood(entry) ? 'green' : 'yellow', conditionHead(context, entry))}\n${indent(entry.message, 4)}\n`,
    )
    .join('');
}

function conditionHead(context: CliContext, entry: Condition): string {
  const since = duration(context.now() - Date.parse(entry.lastTransitionTime));
  return `${entry.type}=${entry.status} ${entry.reason} for ${since}`;
}

function isGood(entry: Condition): boolean {
  const isBad = entry.type === 'Reconciling' || entry.type === 'Stalled';
  return (entry.status === 'True') !== isBad;
}

/** Status beyond what stands elsewhere. */
async function observed(document: Document): Promise<string> {
  const {
    conditions: _c,
    operation: _o,
    observedAt: _a,
    observedGeneration: _g,
    ...rest
  } = document.status ?? {};
  return Object.keys(rest).length === 0 ? '' : toYaml([rest]);
}

function childLines(document: Document, family: Family): string {
  return childrenOf(document, family)
    .map(
      (child) =>
        `${referenceText({ kind: child.kind, name: child.metadata.name })}: ${oneLine(stateWords(child))}\n`,
    )
    .join('');
}

async function events(context: CliContext, document: Document): Promise<string> {
  const found = await eventsOf(context, { kind: document.kind, name: document.metadata.name });
  const rows = found
    .slice(-20)
    .map((event) => [
      duration(context.now() - Date.parse(event.status?.lastTimestamp ?? event.metadata.creationTimestamp)),
      event.spec.type,
      event.spec.reason,
      event.status?.count !== undefined && event.status.count > 1
        ? `${event.spec.message} (${event.status.count} times)`
        : event.spec.message,
    ]);
  return rows.length === 0 ? '' : table(['AGO', 'TYPE', 'REASON', 'MESSAGE'], rows);
}
