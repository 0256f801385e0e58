/**
 * The systemd units of an installation: rendered from systemd/*.service with its paths, written only when their text differs.
 * up, down and purge call it where systemd is process 1. It removes and stops no unit but these.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Holds the API's socket: requests wait in it while the controller is replaced. */
export const SOCKET_UNIT = 'holdfast.socket';
export const CONTROLLER_UNIT = 'holdfast.service';
export const EDGE_UNIT = 'holdfast-nginx.service';
/** Starts databases where the controller does not. */
const DATABASES_UNIT = 'holdfast-databases.service';
export const UNITS = [SOCKET_UNIT, CONTROLLER_UNIT, EDGE_UNIT, DATABASES_UNIT] as const;
const FOLDER = '/etc/systemd/system';

export function hasSystemd(): boolean {
  return existsSync('/run/systemd/system');
}

/** A word of a command line in a unit (systemd.service(5)): quoted, with specifiers and variables switched off. */
export function unitWord(text: string): string {
  const escaped = text.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@%+=:,./\\$-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}

/** Replaces @NAME@. A list becomes words of a command line, a text stays as it is but for specifiers. */
export function renderUnit(template: string, values: Record<string, string | string[]>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`A unit asks for @${name}@, which nobody gives.`);
    return typeof value === 'string' ? value.replaceAll('%', '%%') : value.map(unitWord).join(' ');
  });
}

export interface SystemctlResult {
  ok: boolean;
  output: string;
}

export function systemctl(...args: string[]): Promise<SystemctlResult> {
  return new Promise((resolve) => {
    execFile('systemctl', args, { timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ ok: error === null, output: `${stdout}${stderr}`.trim() });
    });
  });
}

async function must(...args: string[]): Promise<void> {
  const { ok, output } = await systemctl(...args);
  if (!ok) throw new Error(`systemctl ${args.join(' ')} failed: ${output}`);
}

/** The state folder for which the installed unit runs. undefined when none is installed. */
export async function installedState(): Promise<string | undefined> {
  const text = await readFile(path.join(FOLDER, CONTROLLER_UNIT), 'utf8').catch(() => '');
  return /^# State: (.+)$/m.exec(text)?.[1];
}

/** Writes what differs, and answers the names of the units that did. */
export async function installUnits(
  templates: string,
  values: Record<string, string | string[]>,
): Promise<string[]> {
  const changed: string[] = [];
  for (const name of UNITS) {
    const text = renderUnit(await readFile(path.join(templates, name), 'utf8'), values);
    const file = path.join(FOLDER, name);
    if ((await readFile(file, 'utf8').catch(() => '')) === text) continue;
    await writeFile(`${file}.holdfast-new`, text, { mode: 0o644 });
    await rename(`${file}.holdfast-new`, file);
    changed.push(name);
  }
  if (changed.length > 0) await must('daemon-reload');
  return changed;
}

export async function isActive(unit: string): Promise<boolean> {
  return (await systemctl('is-active', '--quiet', unit)).ok;
}

/** Enabled at boot and running. nginx is started by the controller once it has something to serve. Answers what it did. */
export async function enableUnits(): Promise<string[]> {
  const did: string[] = [];
  for (const unit of UNITS) {
    if ((await systemctl('is-enabled', '--quiet', unit)).ok) continue;
    await must('enable', unit);
    did.push(`${unit} is enabled`);
  }
  if (!(await isActive(SOCKET_UNIT))) {
    // A controller that made its own socket, as earlier ones did, must let go of it first.
    if (await isActive(CONTROLLER_UNIT)) await must('stop', CONTROLLER_UNIT);
    await must('start', SOCKET_UNIT);
  }
  if (!(await isActive(CONTROLLER_UNIT))) {
    await systemctl('reset-failed', CONTROLLER_UNIT);
    await must('start', CONTROLLER_UNIT);
    did.push(`${CONTROLLER_UNIT} is started`);
  }
  if (!(await isActive(DATABASES_UNIT))) await must('start', DATABASES_UNIT);
  return did;
}

/** Stopped, and not started at boot. Answers the units that ran or were enabled. */
export async function disableUnits(): Promise<string[]> {
  const did: string[] = [];
  for (const unit of UNITS) {
    if (!existsSync(path.join(FOLDER, unit))) continue;
    const running = await isActive(unit);
    const enabled = (await systemctl('is-enabled', '--quiet', unit)).ok;
    if (!running && !enabled) continue;
    await must('disable', '--now', unit);
    did.push(unit);
  }
  return did;
}

const STAND_IN = '/run/systemd/system';
const STAND_IN_FILE = 'holdfast-stand-in.conf';

/** Runs something that does nothing in the place of a unit's program, so that the unit is active and its socket starts nothing. */
export async function standIn(unit: string): Promise<void> {
  const folder = path.join(STAND_IN, `${unit}.d`);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, STAND_IN_FILE), '[Service]\nExecStart=\nExecStart=/bin/sleep infinity\n');
  await must('daemon-reload');
  await must('restart', unit);
}

/** Answers whether there was one. */
export async function removeStandIn(unit: string): Promise<boolean> {
  const file = path.join(STAND_IN, `${unit}.d`, STAND_IN_FILE);
  if (!existsSync(file)) return false;
  await rm(file);
  await must('daemon-reload');
  return true;
}

/** Texts of our units as they are installed; undefined for one that is not. */
export async function readUnits(): Promise<Map<string, string | undefined>> {
  const texts = UNITS.map(
    async (unit): Promise<[string, string | undefined]> => [
      unit,
      await readFile(path.join(FOLDER, unit), 'utf8').catch(() => undefined),
    ],
  );
  return new Map(await Promise.all(texts));
}

/** Puts back what readUnits found. One that was not there is stopped and goes. */
export async function restoreUnits(units: ReadonlyMap<string, string | undefined>): Promise<void> {
  for (const [unit, text] of units) {
    const file = path.join(FOLDER, unit);
    if (text !== undefined) await writeFile(file, text, { mode: 0o644 });
    else if (existsSync(file)) {
      await systemctl('disable', '--now', unit);
      await rm(file, { force: true });
    }
  }
  await must('daemon-reload');
}

/** Files of our units that are there. */
export function unitFiles(): string[] {
  return UNITS.map((unit) => path.join(FOLDER, unit)).filter((file) => existsSync(file));
}

export async function removeUnits(): Promise<void> {
  for (const file of unitFiles()) await rm(file, { force: true });
  await systemctl('daemon-reload');
  await systemctl('reset-failed', ...UNITS);
}
