using BackpropCluster.Grains.Checkpoints;
using Orleans.Runtime;
using Orleans.Storage;

namespace BackpropCluster.ClusterTests;

/// <summary>How far a write came when its process died, in the order of the folder's file operations.</summary>
public enum CrashPoint
{
    BeforeAnything,
    FolderMade,
    FileBesideEmpty,
    FileBesideHalf,
    FileBesideWhole,
    Locked,
    Renamed,
}

/// <summary>A folder whose process dies within one of its writes: nothing of that write happens after the point, and
/// none follows.</summary>
/// <param name="folder">The folder.</param>
/// <param name="write">Which write, from 0.</param>
/// <param name="point">How far it comes.</param>
internal sealed class CrashingFolder(string folder, int write, CrashPoint point) : IGrainStorage
{
    private readonly FolderStorage storage = new(folder);
    private bool isDead;

    /// <summary>Writes that were begun.</summary>
    public int Writes { get; private set; }

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        isDead ? throw new CrashException() : storage.ReadStateAsync(stateName, grainId, grainState);

    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        if (isDead)
            throw new CrashException();
        if (Writes++ < write)
        {
            await storage.WriteStateAsync(stateName, grainId, grainState);
            return;
        }

        isDead = true;
        var path = Path.Combine(folder, grainId.Key.ToString()!);
        var bytes = ((StoredBytes)(object)grainState.State!).Bytes;
        if (point >= CrashPoint.FolderMade)
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (point is > CrashPoint.FolderMade and < CrashPoint.Renamed)
            await File.WriteAllBytesAsync(
                $"{path}.crashed.new",
                point switch
                {
                    CrashPoint.FileBesideEmpty => [],
                    CrashPoint.FileBesideHalf => bytes[..(bytes.Length / 2)],
                    _ => bytes,
                }
            );
        if (point == CrashPoint.Locked)
            foreach (var held in (string[])[".lock", ".claim"])
                await File.WriteAllBytesAsync(path + held, []);
        if (point == CrashPoint.Renamed)
            await storage.WriteStateAsync(stateName, grainId, grainState);
        throw new CrashException();
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        isDead ? throw new CrashException() : storage.ClearStateAsync(stateName, grainId, grainState);
}

/// <summary>The process is gone.</summary>
public sealed class CrashException : Exception;
