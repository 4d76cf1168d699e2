/** Whether the kernel still lists the pid, be it as a zombie: what PostgreSQL goes by. */
export function isListed(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
