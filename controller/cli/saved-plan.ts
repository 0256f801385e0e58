/**
 * A plan in a file, as `plan --out` writes and `apply FILE` reads it. A digest tells when somebody changed it by hand: what was
 * looked over is what is applied. It may hold values of Secrets, so only its owner can read it.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Manifest, Reference } from '../../resources/document.ts';
import { isRecord } from '../../resources/unknown.ts';
import type { Plan, PlanBasis, PlannedStep } from '../engine/contract.ts';
import { CliError } from './verb.ts';

const FORMAT = 'holdfast.dev/saved-plan/v1';

export interface SavedPlan {
  format: typeof FORMAT;
  /** RFC 3339. */
  madeAt: string;
  documents: readonly Manifest[];
  delete: readonly Reference[];
  basis: readonly PlanBasis[];
  steps: readonly PlannedStep[];
}

export function savePlan(
  file: string,
  plan: Plan,
  asked: Pick<SavedPlan, 'documents' | 'delete' | 'madeAt'>,
): void {
  const saved: SavedPlan = { format: FORMAT, ...asked, basis: plan.basis ?? [], steps: plan.steps };
  const text = JSON.stringify({ ...saved, digest: digestOf(saved) }, null, 2);
  try {
    writeFileSync(file, `${text}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'it is there already; give another name' : message;
    throw new CliError(`${file} cannot be written: ${why}`, { cause: error });
  }
}

export function readSavedPlan(file: string): SavedPlan {
  const value = parse(file);
  if (!isRecord(value) || value['format'] !== FORMAT)
    throw new CliError(
      `${file} is no plan that holdfast plan --out wrote. Manifests are given with -f: holdfast apply -f ${file}`,
    );
  const { digest, ...saved } = value;
  if (digest !== digestOf(saved))
    throw new CliError(`${file} was changed since holdfast plan --out wrote it; plan again`);
  return saved as unknown as SavedPlan;
}

function parse(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function digestOf(value: object): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
