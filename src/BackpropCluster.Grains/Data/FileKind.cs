using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace BackpropCluster.Grains.Data;

/// <summary>What a path leads to, found out without waiting.</summary>
internal static class FileKind
{
    // Of open(2): to read, not to wait for a pipe's writer, not to leave it to child processes.
    private static readonly int WithoutWaiting = OperatingSystem.IsMacOS() ? 0x4 | 0x1000000 : 0x800 | 0x80000;
    private const int FromHere = 1;

    /// <summary>Whether a path leads to something that can be read from any place, as a file can and a pipe, a terminal
    /// or a socket cannot. True also where it cannot be opened: opening it says why.</summary>
    /// <remarks>What the platform offers to ask this opens the path first, and for a pipe that waits until somebody
    /// writes into it.</remarks>
    public static bool IsSeekable(string path)
    {
        if (OperatingSystem.IsWindows())
            return true;
        using var handle = new SafeFileHandle(
            Open(Encoding.UTF8.GetBytes(path + '\0'), WithoutWaiting),
            ownsHandle: true
        );
        return handle.IsInvalid || Seek(handle, 0, FromHere) >= 0;
    }

    [DllImport("libc", EntryPoint = "open"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint Open(byte[] path, int flags);

    [DllImport("libc", EntryPoint = "lseek"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern long Seek(SafeFileHandle file, long offset, int from);
}
