/** The kernel's name of the bridge that all containers are on. */
export const BRIDGE = 'holdfast0';
