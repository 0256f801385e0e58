/** The machine itself: listening ports, routes, folders, free room. Writes only under the state folder. */

export interface Listener {
  protocol: 'tcp' | 'udp';
  /** 0.0.0.0 and :: for all. */
  address: string;
  port: number;
  /** Program that listens, where it can be told. */
  program?: string;
  pid?: number;
}

export interface Route {
  /** CIDR; 0.0.0.0/0 is left out. */
  destination: string;
  interface: string;
}

export interface HostReading {
  listeners(): Promise<Listener[]>;
  routes(): Promise<Route[]>;
  /** Whether the kernel can listen on ::1. */
  hasIpv6(): Promise<boolean>;
  hasAppArmorProfile(name: string): Promise<boolean>;
  /** Folder exists and is a folder. */
  folderExists(path: string): Promise<boolean>;
  /** Names of the folders in a folder, sorted; none where it is missing. */
  foldersIn(path: string): Promise<string[]>;
  /** Text of a small file; undefined where there is none. Refuses paths outside the state folder. */
  readFile(path: string): Promise<string | undefined>;
}

export interface HostWriting {
  /** Creates with mode where it is missing; leaves what is there as it is. Refuses paths outside the state folder. */
  ensureFolder(path: string, options: { mode: number }): Promise<void>;
  /** With everything in it; follows no link. Refuses paths outside the state folder's apps and addons. */
  removeFolder(path: string): Promise<void>;
  /** Whole or not at all, in place of what is there. Refuses what removeFolder refuses. */
  writeFile(path: string, text: string, options: { mode: number }): Promise<void>;
  /** Gives a folder another name beside it. Gone already, with the new one there, is success. Refuses what removeFolder refuses. */
  renameFolder(from: string, to: string): Promise<void>;
}

export interface Host extends HostReading, HostWriting {}
