/**
 * The one nginx that belongs to Holdfast: own prefix, own configuration, own processes, beside any other nginx on the host.
 *
 * The configuration is a set of files under one folder. `publish` writes a whole new set beside the present one, lets
 * `nginx -t` test it there, swaps a symlink and reloads: what nginx refuses never becomes the configuration, and a crash
 * at any moment leaves the old set or the new one.
 */

/** Paths relative to the configuration folder (`nginx.conf`, `sites/wiki.conf`) to their text. */
export type ConfigFiles = ReadonlyMap<string, string>;

export interface NginxState {
  running: boolean;
  pid?: number;
  /** Such as 1.22.1. undefined when the program is not installed. */
  version?: string;
  /** Counts the published sets; 0 before the first. */
  generation: number;
  /** The set that nginx was last told to load is the one on disk. False after a crash between swap and reload. */
  loaded: boolean;
  /** What is on disk now, edits by hand included. */
  files: ConfigFiles;
}

export interface RefusedConfig {
  /** Path as in ConfigFiles, where nginx named one of them. */
  file?: string;
  line?: number;
  /** nginx's own words. */
  message: string;
}

export type PublishResult = { ok: true; generation: number } | { ok: false; refused: RefusedConfig };

export interface NginxReading {
  /** Reads the disk and the process; never cached. */
  state(): Promise<NginxState>;
  /** Folder of the published set, as it stands in directives: symlink, not the generation behind it. */
  readonly folder: string;
}

export interface NginxWriting {
  /** Stages, tests, swaps, and reloads where nginx runs. An identical set is tested and loaded, not written again. */
  publish(files: ConfigFiles): Promise<PublishResult>;
  /** Starts it with the published set. Running already is success. DriverError `conflict` when a port is taken, naming it. */
  start(): Promise<void>;
  /** Lets requests finish, then stops it. */
  stop(): Promise<void>;
  /** Writes a certificate chain and key (0600, atomically) where directives can name them; answers the paths. */
  writeCertificate(
    name: string,
    pem: { certificate: string; key: string },
  ): Promise<{ certificate: string; key: string }>;
  removeCertificate(name: string): Promise<void>;
}

export interface Nginx extends NginxReading, NginxWriting {
  /** Calls when files under the folder change or the process ends, until the signal aborts. May call too often. */
  follow(onChange: () => void, signal: AbortSignal): Promise<void>;
}
