using System.Collections.Immutable;
using System.Security.Cryptography;
using Orleans.Runtime;
using Orleans.Storage;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>Grain storage in a folder: one file a record, named as the grain is, replaced as a whole or not at
/// all.</summary>
/// <remarks>Orleans' own file storage writes a record in place, so a crash leaves a torn one, and compares its tags
/// without a lock (decisions/0006). Here a record is written beside its name, flushed to the disk and then renamed; the
/// tag is the contents' hash, so even a damaged record can be replaced; and a lock file makes comparing and setting one
/// act for all processes on this machine, and looking for a new record's name and taking it another one.</remarks>
public sealed class FolderStorage(string folder) : IGrainStorage, IRunNames
{
    private const string LockSuffix = ".lock";
    private const string ClaimSuffix = ".claim";
    private static readonly TimeSpan LockWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LockRetry = TimeSpan.FromMilliseconds(5);

    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var bytes = await ReadRecord(PathOf(grainId));
        (grainState.State, grainState.ETag, grainState.RecordExists) = (
            StoredBytes.As<T>(bytes ?? []),
            TagOf(bytes),
            bytes is not null
        );
    }

    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var path = PathOf(grainId);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var bytes = StoredBytes.Of(grainState.State);
        var beside = $"{path}.{Path.GetRandomFileName()}.new";
        try
        {
            await using (var file = new FileStream(beside, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                await file.WriteAsync(bytes);
                await file.FlushAsync();
                RandomAccess.FlushToDisk(file.SafeFileHandle);
            }

            await Replace(path, beside, grainState);
        }
        finally
        {
            File.Delete(beside);
        }

        (grainState.ETag, grainState.RecordExists) = (TagOf(bytes), true);
    }

    public async Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var path = PathOf(grainId);
        if (File.Exists(path))
        {
            await using (await Lock(path + LockSuffix))
            {
                await Compare(path, grainState);
                File.Delete(path);
            }

            // Only what nothing names any more is cleared, and its name is not used again: nobody can be waiting for
            // this lock.
            File.Delete(path + LockSuffix);
            DeleteIfEmpty(Path.GetDirectoryName(path)!);
        }

        (grainState.State, grainState.ETag, grainState.RecordExists) = (StoredBytes.As<T>([]), null, false);
    }

    public Task<ImmutableArray<string>> Runs() =>
        Task.FromResult<ImmutableArray<string>>(
            !Directory.Exists(folder)
                ? []
                :
                [
                    .. Directory
                        .EnumerateDirectories(folder)
                        .Where(run => File.Exists(Path.Combine(run, RunCatalog.RecordName)))
                        .Select(run => Path.GetFileName(run)!)
                        .Order(StringComparer.Ordinal),
                ]
        );

    private static async Task Replace<T>(string path, string beside, IGrainState<T> state)
    {
        if (state.ETag is null)
        {
            if (!await Create(path, beside))
                throw Changed(path);
            return;
        }

        await using var held = await Lock(path + LockSuffix);
        await Compare(path, state);
        File.Move(beside, path, overwrite: true);
    }

    // File.Move that must not overwrite looks for the name first and then renames (dotnet/runtime#31228): of two that
    // create a record at once the second would take the first one's place, and both would believe that theirs counts.
    private static async Task<bool> Create(string path, string beside)
    {
        bool isNew;
        await using (await Lock(path + ClaimSuffix))
        {
            isNew = !File.Exists(path);
            if (isNew)
                File.Move(beside, path, overwrite: true);
        }

        // Unlike the lock of a record that is replaced it can go: the record is there now, and whoever holds this claim
        // or a new one of its name finds it. Most records are written once, and each would keep its claim for ever.
        File.Delete(path + ClaimSuffix);
        return isNew;
    }

    private static void DeleteIfEmpty(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: false);
        }
        catch (IOException)
        {
            // Something else stands there, or another has just deleted it.
        }
    }

    private static async Task Compare<T>(string path, IGrainState<T> state)
    {
        if (TagOf(await ReadRecord(path)) != state.ETag)
            throw Changed(path);
    }

    private static InconsistentStateException Changed(string path) => new($"{path} was changed since it was read");

    internal static async Task<byte[]?> ReadRecord(string path)
    {
        try
        {
            return await File.ReadAllBytesAsync(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private static string? TagOf(byte[]? bytes) =>
        bytes is null ? null : Convert.ToHexStringLower(SHA256.HashData(bytes));

    // Held by the open file, so a process that dies lets go. The file stays: were it deleted, one process could hold
    // the old one and another a new one of the same name.
    private static async Task<FileStream> Lock(string name)
    {
        using var retry = new PeriodicTimer(LockRetry);
        for (var waited = TimeSpan.Zero; ; waited += LockRetry)
        {
            try
            {
                return new FileStream(name, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
            }
            catch (IOException) when (waited < LockWait)
            {
                await retry.WaitForNextTickAsync();
            }
        }
    }

    // Keys are made of run ids and numbers; one that could leave the folder is refused before any file is touched.
    private string PathOf(GrainId grainId)
    {
        var path = Path.GetFullPath(grainId.Key.ToString()!, Path.GetFullPath(folder));
        return path.StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? path
            : throw new ArgumentException($"the record {grainId} would lie outside of {folder}", nameof(grainId));
    }
}
