export async function installServices(): Promise<string[]> {
  return [];
}
