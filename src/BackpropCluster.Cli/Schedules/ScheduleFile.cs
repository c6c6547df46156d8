using System.Globalization;
using System.Text;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Layout;
using BackpropCluster.Grains.Data;

namespace BackpropCluster.Cli.Schedules;

/// <summary>Schedules on a disk.</summary>
internal static class ScheduleFile
{
    // A hundred ranks with ten thousand actions each; what is longer is no schedule.
    private const int MaxBytes = 16 << 20;

    /// <summary>A file's text.</summary>
    /// <exception cref="CommandFailedException">It cannot be read, is no file or is too long.</exception>
    public static string Text(string path)
    {
        try
        {
            using var file = DataFiles.Open(path);
            if (file.Length > MaxBytes)
                throw new DataException(
                    path,
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"has {file.Length} bytes, expected at most {MaxBytes}"
                    ),
                    ""
                );
            return DataFiles.Reading(
                path,
                () =>
                {
                    var bytes = new byte[file.Length];
                    file.ReadExactly(bytes);
                    return Encoding.UTF8.GetString(bytes);
                }
            );
        }
        catch (DataException e)
        {
            throw new CommandFailedException(
                ExitCode.File,
                $"{path}: {e.What}. Nothing was checked. Give a schedule in PyTorch's CSV, or a name of: backprop "
                    + "schedule list"
            );
        }
    }

    /// <summary>Writes a schedule; a file of that name is replaced by the whole of it or not at all.</summary>
    public static void Write(string path, PipelineSchedule schedule)
    {
        try
        {
            File.WriteAllText(path + ".new", ScheduleText.Write(schedule));
            File.Move(path + ".new", path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException(
                ExitCode.File,
                $"{path} cannot be written: {e.Message} Nothing was exported. Choose another --to."
            );
        }
    }
}
