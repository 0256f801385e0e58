/**
 * Where an installation has its things on disk, told once for up, down and purge. They work on an installation from outside,
 * also while its controller is dead; what the controller alone uses is not named here. Pure, but for finding our own package.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Layout {
  /** All data. Default /var/lib/holdfast. */
  state: string;
  /** What people write. Default /etc/holdfast. */
  config: string;
  /** The API of local root. Default /run/holdfast/holdfast.sock. */
  socket: string;
  /** What this installation made on the machine (installation.ts). */
  record: string;
  /** One file a process that `up` started. */
  run: string;
  logs: string;
  /** nginx's prefix. */
  nginx: string;
  /** The certificate that browsers and curl must trust. */
  authority: string;
  /** Made when an install script brought packages: their names, one a line. */
  packages: string;
}

/** As they come from the command line: undefined where nothing was said. */
export interface Places {
  state?: string | undefined;
  config?: string | undefined;
  socket?: string | undefined;
}

export const DEFAULTS = {
  state: '/var/lib/holdfast',
  config: '/etc/holdfast',
  socket: '/run/holdfast/holdfast.sock',
} as const;

/** Options win over the environment (HOLDFAST_STATE, …), that over the defaults. */
export function layout(options: Places, env: Record<string, string | undefined> = process.env): Layout {
  const state = path.resolve(options.state ?? env['HOLDFAST_STATE'] ?? DEFAULTS.state);
  return {
    state,
    config: path.resolve(options.config ?? env['HOLDFAST_CONFIG'] ?? DEFAULTS.config),
    socket: path.resolve(options.socket ?? env['HOLDFAST_SOCKET'] ?? DEFAULTS.socket),
    record: path.join(state, 'installation.json'),
    run: path.join(state, 'run'),
    logs: path.join(state, 'logs'),
    nginx: path.join(state, 'nginx'),
    authority: path.join(state, 'authority', 'ca.pem'),
    packages: path.join(state, 'installed-packages'),
  };
}

/** The arguments that make `holdfast serve` use this installation. */
export function serveArguments(places: Layout): string[] {
  return ['serve', '--state', places.state, '--config', places.config, '--socket', places.socket];
}

/** The folder with bin/, schemas/ and examples/, from the sources as from dist. */
export function packageRoot(from: string = fileURLToPath(import.meta.url)): string {
  for (let folder = path.dirname(from); ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'package.json'))) return folder;
    if (folder === path.dirname(folder))
      throw new Error(`No package.json above ${from}: the installation is damaged.`);
  }
}
