/**
 * What nginx says, read: which file it refuses and why, which port is taken, which version it is. Pure. The forms are those of
 * nginx 1.18 to 1.29 (ngx_log_error_core, ngx_conf_log_error and ngx_open_listening_sockets in its source).
 */
import type { ConfigFiles, RefusedConfig } from './index.ts';

/** Of `nginx -v`. */
export function versionIn(output: string): string | undefined {
  return /nginx\/(\d+\.\d+\.\d+)/.exec(output)?.[1];
}

export function atLeast(version: string, wanted: string): boolean {
  const have = version.split('.').map(Number);
  for (const [index, part] of wanted.split('.').map(Number).entries()) {
    const difference = (have[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** What `nginx -t` says of a set in `folder`. */
export function refusedIn(output: string, folder: string, files: ConfigFiles): RefusedConfig {
  const line = output.split('\n').find((text) => /\[(emerg|crit|alert)\]/.test(text)) ?? output.trim();
  const words = line.replace(/^.*?\[(?:emerg|crit|alert)\] (?:\d+#\d+: )?/, '').trim();
  const place = / in (\S+):(\d+)$/.exec(words);
  const path = place?.[1]?.startsWith(`${folder}/`) ? place[1].slice(folder.length + 1) : undefined;
  const message = words.replaceAll(`${folder}/`, '') || 'nginx said nothing';
  if (place && path !== undefined && files.has(path)) return { file: path, line: Number(place[2]), message };
  const file = onlyFileThatSays(words, files);
  return file === undefined ? { message } : { file, message };
}

/** Of a certificate that it cannot load, nginx names the path and not the directive: the one file with that path is meant. */
function onlyFileThatSays(words: string, files: ConfigFiles): string | undefined {
  const quoted = /"(\/[^"]+)"/.exec(words)?.[1];
  if (quoted === undefined) return undefined;
  const found = [...files].filter(([, text]) => text.includes(quoted));
  return found.length === 1 ? found[0]?.[0] : undefined;
}

export interface TakenPort {
  address: string;
  port: number;
}

/** The first address that could not be bound because somebody has it. */
export function takenIn(output: string): TakenPort | undefined {
  const match = /bind\(\) to (\S+):(\d+) failed \(98: /.exec(output);
  if (!match?.[1] || !match[2]) return undefined;
  return { address: match[1].replace(/^\[(.*)\]$/, '$1'), port: Number(match[2]) };
}

/** Whether a failed reload has been given up: nginx tries to bind five times in two and a half seconds. */
export function givenUp(emergencies: readonly string[]): boolean {
  const last = emergencies.at(-1);
  return last !== undefined && !last.includes(' bind() to ');
}

/** Whether some file of the set listens on this port, at whatever address. */
export function listensOn(files: ConfigFiles, port: number): boolean {
  const directive = new RegExp(`^\\s*listen\\s+(\\S+:)?${port}[\\s;]`, 'm');
  return [...files.values()].some((text) => directive.test(text));
}
