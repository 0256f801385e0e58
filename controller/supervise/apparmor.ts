/**
 * The AppArmor profile of containers: put where the distribution loads its own from at boot, and loaded now. `up` and `upgrade` call it,
 * before any container is made; purge takes it away again. Where the kernel has no AppArmor, or the distribution no parser, nothing
 * is done, and the condition AppArmor of the Platform says so.
 */
import { existsSync, readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { APPARMOR_PROFILE } from '../../reconcilers/container/seen.ts';
import { runProgram } from '../../reconcilers/drivers/nginx/program.ts';

const FOLDER = '/etc/apparmor.d';
const FILE = path.join(FOLDER, APPARMOR_PROFILE);
const MARK = '# Written by `holdfast up`';
const parsers = ['/sbin/apparmor_parser', '/usr/sbin/apparmor_parser'];

function parser(): string | undefined {
  return parsers.find((file) => existsSync(file));
}

function isOn(): boolean {
  return read('/sys/module/apparmor/parameters/enabled').trim() === 'Y' && existsSync(FOLDER);
}

function isLoaded(): boolean {
  return read('/sys/kernel/security/apparmor/profiles').includes(`${APPARMOR_PROFILE} (`);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Answers what it did, as sentences. A profile that somebody else has under that name stays as it is. */
export async function loadProfile(root: string): Promise<string[]> {
  const program = parser();
  if (!isOn() || program === undefined) return [];
  const wanted = `${MARK}.\n${await readFile(path.join(root, 'systemd', 'apparmor-profile'), 'utf8')}`;
  const present = read(FILE);
  if (present !== '' && !present.startsWith(MARK)) return [];
  if (present === wanted && isLoaded()) return [];
  await writeFile(`${FILE}.holdfast-new`, wanted, { mode: 0o644 });
  await rename(`${FILE}.holdfast-new`, FILE);
  const { code, output } = await runProgram(program, ['-r', '-W', FILE], '/', 60);
  return code === 0
    ? [`the AppArmor profile ${APPARMOR_PROFILE} is loaded`]
    : [`the AppArmor profile ${APPARMOR_PROFILE} could not be loaded: ${output.trim()}`];
}

/** The file of the profile, where it is ours. */
export function profileFile(): string | undefined {
  return read(FILE).startsWith(MARK) ? FILE : undefined;
}

/** When no container is left that runs under it. */
export async function removeProfile(): Promise<void> {
  if (profileFile() === undefined) return;
  const program = parser();
  if (program !== undefined && isOn()) await runProgram(program, ['-R', FILE], '/', 60);
  await rm(FILE, { force: true });
}
