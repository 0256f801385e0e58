/** All parts. A kind joins the simulation by one file and one line here. */
import { addonPart } from './addon.ts';
import { appPart } from './app.ts';
import { bindingPart } from './binding.ts';
import { certificatePart } from './certificate.ts';
import { dnsRecordPart } from './dnsrecord.ts';
import { domainPart } from './domain.ts';
import { keyPart } from './key.ts';
import type { Part } from './part.ts';
import { platformPart } from './platform.ts';
import { secretPart } from './secret.ts';
import { sitePart } from './site.ts';
import { sourcePart } from './source.ts';
import { taskPart } from './task.ts';

export const parts: readonly Part[] = [
  platformPart,
  appPart,
  secretPart,
  sitePart,
  taskPart,
  addonPart,
  bindingPart,
  domainPart,
  dnsRecordPart,
  certificatePart,
  keyPart,
  sourcePart,
];

export const THEMES: readonly string[] = [...new Set(parts.flatMap(({ theme }) => theme ?? []))];

/** How a history with these themes may begin. */
export function openingOf(themes: ReadonlySet<string>): readonly string[] {
  return parts.flatMap(({ theme, opening = [] }) =>
    theme !== undefined && themes.has(theme) ? opening : [],
  );
}

/** Kinds that the simulation does not concern, and why. */
export const WITHOUT_PART: Readonly<Record<string, string>> = {
  Token: 'read by the API alone, which is not part of the controller’s core',
  Event: 'written by the engine about all others; invariants.ts reads every one of them',
};
