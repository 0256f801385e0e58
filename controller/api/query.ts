/**
 * Query parameters, parsed once at the door: a word that is not what the parameter takes is a 400 that names it, never a
 * silent default. Parameters that nobody knows are ignored, as Kubernetes does.
 */
import type { ListOptions } from '../store/types.ts';
import { refuse } from './status.ts';

export class Query {
  readonly #parameters: URLSearchParams;

  constructor(url: string) {
    const start = url.indexOf('?');
    this.#parameters = new URLSearchParams(start < 0 ? '' : url.slice(start + 1));
  }

  /** Undefined when missing or empty. */
  text(name: string): string | undefined {
    const values = this.#parameters.getAll(name);
    if (values.length > 1) throw refuse.badRequest(`${name} is given ${values.length} times; give it once`);
    return values[0] === '' ? undefined : values[0];
  }

  all(name: string): string[] {
    return this.#parameters.getAll(name);
  }

  /** `?watch` alone means true, as in Kubernetes. */
  flag(name: string): boolean {
    const value = this.text(name) ?? (this.#parameters.has(name) ? 'true' : 'false');
    if (/^(true|1)$/i.test(value)) return true;
    if (/^(false|0)$/i.test(value)) return false;
    throw refuse.badRequest(`${name} is "${value}"; it can be true or false`);
  }

  /** From 0. */
  count(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (/^\d{1,15}$/.test(value)) return Number(value);
    throw refuse.badRequest(`${name} is "${value}"; it must be a whole number from 0`);
  }

  /** RFC 3339. */
  time(name: string): string | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
    if (rfc3339.test(value) && !Number.isNaN(Date.parse(value))) return value;
    throw refuse.badRequest(`${name} is "${value}"; it must be a time such as 2026-01-31T12:00:00Z`);
  }

  dryRun(): boolean {
    return isDryRun(this.all('dryRun').filter((value) => value !== ''));
  }
}

/** A word of dryRun that is not known must never be taken as "do it". */
export function isDryRun(values: readonly unknown[]): boolean {
  const unknown = values.find((value) => value !== 'All');
  if (unknown === undefined) return values.length > 0;
  throw refuse.badRequest(`dryRun is ${JSON.stringify(unknown)}; it can be "All" and nothing else`);
}

export function selectors(query: Query): Pick<ListOptions, 'labelSelector' | 'fieldSelector'> {
  const labelSelector = query.text('labelSelector');
  const fieldSelector = query.text('fieldSelector');
  return {
    ...(labelSelector !== undefined && { labelSelector }),
    ...(fieldSelector !== undefined && { fieldSelector }),
  };
}
