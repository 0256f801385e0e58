/** A plan in words: each document with its mark, its steps and their reasons, and one line that sums up. Pure. */
import type { Because, Plan, PlannedOutcome, PlannedStep, Step } from '../engine/contract.ts';
import { valueText } from './differences.ts';
import { referenceText } from './references.ts';
import { type Colour, MARK_COLOUR, oneLine } from './terminal.ts';

export interface PlanSummary {
  create: number;
  change: number;
  delete: number;
  /** Documents that cannot be planned. */
  unknown: number;
  /** What is made anew in place of what is there, by name. */
  replaced: string[];
  /** What stops for a moment and is the same afterwards, by name. */
  restarted: string[];
  /** Whose data goes, by name. */
  dataLost: string[];
}

type Mark = '+' | '~' | '-' | '!';
type Paint = (colour: Colour, text: string) => string;

const STEP_MARK: Record<Step['action'], Mark> = { create: '+', change: '~', delete: '-' };

const OUTCOME_MARK: Record<PlannedOutcome, Mark> = {
  created: '+',
  configured: '~',
  unchanged: '~',
  deleted: '-',
};

export function formatPlan(plan: Plan, paint: Paint): string {
  const lines: string[] = [];
  const steps = byDocument(plan.steps);
  const marks = marksOf(plan);
  for (const name of new Set([...marks.keys(), ...steps.keys()])) {
    const mark = marks.get(name) ?? '~';
    lines.push(paint(MARK_COLOUR[mark] ?? 'bold', `${mark} ${name}`));
    for (const { step } of steps.get(name) ?? []) lines.push(...stepLines(step, paint));
  }
  for (const { document, reason, message } of plan.problems) {
    lines.push(paint('red', `! ${referenceText(document)}`), `    ${reason}: ${oneLine(message)}`);
  }
  lines.push(summaryLine(planSummary(plan)));
  return `${lines.join('\n')}\n`;
}

function byDocument(steps: readonly PlannedStep[]): Map<string, PlannedStep[]> {
  const groups = new Map<string, PlannedStep[]>();
  for (const planned of steps) {
    const name = referenceText(planned.document);
    groups.set(name, [...(groups.get(name) ?? []), planned]);
  }
  return groups;
}

/** Documents that change, or for which something is done. A target that many share, such as nginx, is no document. */
function marksOf(plan: Plan): Map<string, Mark> {
  const marks = new Map<string, Mark>();
  const busy = byDocument(plan.steps);
  for (const { document, outcome } of plan.documents) {
    const name = referenceText(document);
    if (outcome !== 'unchanged' || busy.has(name)) marks.set(name, OUTCOME_MARK[outcome]);
  }
  const drifted = plan.documents.length === 0 ? [...busy.keys()] : [];
  for (const name of drifted) marks.set(name, '~');
  return marks;
}

function stepLines(step: Step, paint: Paint): string[] {
  const mark = STEP_MARK[step.action];
  const impact = step.impact === 'none' ? '' : ` (${step.impact})`;
  const head = `    ${mark} ${step.type} ${oneLine(step.target)}${impact}`;
  const lines = [paint(step.impact === 'data-loss' ? 'red' : (MARK_COLOUR[mark] ?? 'bold'), head)];
  lines.push(`        ${oneLine(step.message)}`);
  for (const because of step.because) lines.push(paint('dim', `        because ${becauseText(because)}`));
  if (step.knownLater !== undefined && step.knownLater.length > 0)
    lines.push(paint('dim', `        known only later: ${step.knownLater.join(', ')}`));
  return lines;
}

export function becauseText({ field, found, wanted, cause, known }: Because): string {
  const isCompared = found !== undefined || wanted !== undefined;
  const values = isCompared ? `: ${valueText(found)} → ${valueText(wanted)}` : '';
  return oneLine(`${field}${values} (${cause}${known === undefined ? '' : `: ${known}`})`);
}

export function planSummary(plan: Plan): PlanSummary {
  const marks = [...marksOf(plan).values()];
  const count = (mark: Mark) => marks.filter((other) => other === mark).length;
  const named = (impacts: readonly Step['impact'][]) => [
    ...new Set(
      plan.steps
        .filter(({ step }) => impacts.includes(step.impact))
        .map(({ document }) => referenceText(document)),
    ),
  ];
  return {
    create: count('+'),
    change: count('~'),
    delete: count('-'),
    unknown: plan.problems.length,
    replaced: named(['replace']),
    restarted: named(['restart']),
    dataLost: named(['data-loss']),
  };
}

function summaryLine(summary: PlanSummary): string {
  const list = (names: readonly string[]) => (names.length === 0 ? 'none' : names.join(', '));
  const unknown = summary.unknown === 0 ? '' : `, ${summary.unknown} unknown`;
  return (
    `Plan: ${summary.create} to create, ${summary.change} to change, ${summary.delete} to delete${unknown}; ` +
    `replaced: ${list(summary.replaced)}; restarted: ${list(summary.restarted)}; data lost: ${list(summary.dataLost)}`
  );
}
