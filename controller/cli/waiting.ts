/** Waits until documents are as asked for, by watch. Called by wait and by verbs with --wait. */
import { condition, type Document, type Reference } from '../../resources/document.ts';
import { kindOf } from '../../resources/registry.ts';
import { follow } from './follow.ts';
import { pathValues } from './jsonpath.ts';
import { progressOn } from './progress.ts';
import { referenceText } from './references.ts';
import { type CliContext, CliError } from './verb.ts';

/** What is waited for, of one document; undefined where there is none. */
export interface Goal {
  /** "Ready", "deleted". */
  word: string;
  isMet(document: Document | undefined): boolean;
}

export const DEFAULT_TIMEOUT = 120_000;

/** `condition=Ready`, `condition=Ready=False`, `delete`, `jsonpath={.status.url}=https://…`. */
export function parseGoal(text: string): Goal {
  if (text === 'delete') return DELETED;
  const match = /^condition=([A-Za-z]+)(?:=([A-Za-z]+))?$/.exec(text);
  if (match !== null) return conditionGoal(match[1] ?? '', match[2] ?? 'True');
  if (text.startsWith('jsonpath=')) return jsonpathGoal(text.slice('jsonpath='.length));
  throw new CliError(`--for takes condition=TYPE[=STATUS], delete or jsonpath=PATH[=VALUE], not "${text}"`);
}

export const DELETED: Goal = { word: 'deleted', isMet: (document) => document === undefined };

/** A condition counts when it speaks of the present generation. */
export function conditionGoal(type: string, status: string): Goal {
  const wanted = status.toLowerCase();
  return {
    word: wanted === 'true' ? type : `${type}=${status}`,
    isMet(document) {
      if (document === undefined) return false;
      const found = condition(document, type);
      const seen = found?.observedGeneration ?? document.status?.observedGeneration ?? 0;
      return found?.status.toLowerCase() === wanted && seen >= document.metadata.generation;
    },
  };
}

function jsonpathGoal(text: string): Goal {
  const match = /^(\{.*\}|[^=]+)(?:=(.*))?$/s.exec(text);
  const path = match?.[1] ?? text;
  const wanted = match?.[2];
  pathValues(path, {}); // A path that is no path is told now, not after the timeout.
  return {
    word: text,
    isMet(document) {
      const values = document === undefined ? [] : pathValues(path, document);
      return wanted === undefined ? values.length > 0 : values.map(String).includes(wanted);
    },
  };
}

/** Kinds that a reconciler makes Ready; a Secret is just there. */
export function becomesReady(kind: string): boolean {
  return kindOf(kind)?.columns.some((column) => column.name === 'READY') ?? false;
}

/** Answers 0 when all are as wanted, 1 after the timeout or when one is gone; says on stderr how it goes. */
export async function waitFor(
  context: CliContext,
  references: readonly Reference[],
  goal: Goal,
  timeoutMilliseconds: number,
): Promise<number> {
  const end = AbortSignal.timeout(timeoutMilliseconds);
  const waits = groupByKind(references).map(([kind, names]) => new Wait(context, kind, names, goal));
  const progress = progressOn(context);
  for (const wait of waits) wait.progress = progress;
  try {
    await Promise.all(waits.map((wait) => wait.run(AbortSignal.any([end, context.signal]))));
  } finally {
    progress.close();
  }
  const unmet = waits.flatMap((wait) => wait.unmet());
  for (const line of unmet) context.stderr.write(`error: ${line}\n`);
  return unmet.length === 0 ? 0 : 1;
}

function groupByKind(references: readonly Reference[]): [string, Set<string>][] {
  const groups = new Map<string, Set<string>>();
  for (const { kind, name } of references) groups.set(kind, (groups.get(kind) ?? new Set()).add(name));
  return [...groups];
}

/** Documents of one kind that are waited for. */
class Wait {
  progress = { update(_name: string, _text: string) {}, done(_name: string, _text: string) {} };
  private readonly context: CliContext;
  private readonly kind: string;
  private readonly goal: Goal;
  private readonly left: Set<string>;
  private readonly last = new Map<string, string>();
  private readonly finished = new AbortController();
  private readonly gone: string[] = [];

  constructor(context: CliContext, kind: string, names: ReadonlySet<string>, goal: Goal) {
    this.context = context;
    this.kind = kind;
    this.goal = goal;
    this.left = new Set(names);
  }

  async run(signal: AbortSignal): Promise<void> {
    const [only] = this.left;
    const fieldSelector = this.left.size === 1 ? `metadata.name=${only}` : undefined;
    const follower = {
      onList: (documents: readonly Document[]) => this.look(documents),
      onChange: ({ type, object }: { type: string; object: Document }) =>
        this.see(object.metadata.name, type === 'DELETED' ? undefined : object),
      onBreak: (error: Error) => {
        for (const name of this.left) this.progress.update(this.text(name), error.message);
      },
    };
    const both = AbortSignal.any([signal, this.finished.signal]);
    await follow(this.context.client, this.kind, { fieldSelector }, follower, both);
  }

  unmet(): string[] {
    const late = [...this.left].map((name) => {
      const last = this.last.get(name);
      return `${this.text(name)} is not ${this.goal.word} in time${last === undefined ? '' : `: ${last}`}`;
    });
    return [...this.gone, ...late];
  }

  private look(documents: readonly Document[]): void {
    const byName = new Map(documents.map((document) => [document.metadata.name, document]));
    for (const name of [...this.left]) this.see(name, byName.get(name));
  }

  private see(name: string, document: Document | undefined): void {
    if (!this.left.has(name)) return;
    if (this.goal.isMet(document)) {
      this.progress.done(this.text(name), this.goal.word);
      this.left.delete(name);
    } else if (document === undefined) {
      this.gone.push(`${this.text(name)} is not there`);
      this.left.delete(name);
    } else {
      const words = stateWords(document);
      this.last.set(name, words);
      this.progress.update(this.text(name), words);
    }
    if (this.left.size === 0) this.finished.abort();
  }

  private text(name: string): string {
    return referenceText({ kind: this.kind, name });
  }
}

/** What a document does now, or why it is not ready. */
export function stateWords(document: Document): string {
  const { operation } = document.status ?? {};
  if (operation !== undefined) {
    const percent = operation.percent === undefined ? '' : ` ${Math.floor(operation.percent)}%`;
    return `${operation.type}${percent}${operation.message === undefined ? '' : `, ${operation.message}`}`;
  }
  if (document.metadata.deletionTimestamp !== undefined) return 'is being deleted';
  const ready = condition(document, 'Ready');
  return ready === undefined ? 'nobody has looked at it yet' : `${ready.reason}: ${ready.message}`;
}
